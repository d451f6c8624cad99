from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.decisions.invalid_kinds import INVALID_KINDS, find_kind
from softcore_runtime import AlignmentError, FrameError
from softcore_runtime.alignment.alignment import Alignment
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.bundle.training import Training, draw_thumbnail, measure_image_statistics
from softcore_runtime.images.image_file import to_bgr8
from softcore_runtime.images.preprocessing import Preprocessing


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("late: still being inspected after 1.00 s", "late"),
        ("too many triggers: 16 wait for their decision", "overflow"),
        ("the image has 640 x 480 pixels, and at the start it had 1920 x 1080 pixels", "size"),
        ("too many triggers: 4 wait, and it would come too late", "overflow"),
        ("the line was stopped before it was decided on", "stopped"),
        ("the recording has come to its end", "stopped"),
        ("internal error: ValueError: the camera's image is empty", "internal"),
        ("the score is nan", "internal"),
        ("the network gives NaN or infinity for this frame", "internal"),
        ("the ledger can't be written (database or disk is full); late: still queued", "ledger"),
        ("the image has not changed for 5.0 s", "frozen"),
        ("the image is black", "black"),
        ("no new frame for 2.0 s (the stream is being reopened)", "camera"),
        ("this camera can't be opened; is it plugged in, free and readable for you?", "camera"),
        ("the stream stopped after frame 12", "camera"),
        ("can't be read (Permission denied)", "unreadable"),
        ("the image is cut off", "unreadable"),
        ("not an image, or a damaged one", "unreadable"),
        ("the file is empty", "unreadable"),
        ("the picture is black", "black"),
        ("the picture has not changed for 5.0 s", "frozen"),
        ("the picture has 640 x 480 pixels, and at the start it had 1920 x 1080 pixels", "size"),
        ("not a picture, or a damaged one", "unreadable"),
        ("OpenCV can't decode it (no memory)", "unreadable"),
        (None, "other"),
    ],
)
def test_every_reason_has_its_kind(reason: str | None, kind: str) -> None:
    assert find_kind(reason) == kind


def test_what_frame_checks_find_has_its_kind(good_frame: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(80, 140, (64, 64, 3), dtype=np.uint8)
    checks = FrameChecks(
        Training(np.ones(1), draw_thumbnail(noise)[None], measure_image_statistics(noise)[None])
    )
    frames = {
        "dark": noise // 20,
        "bright": np.full_like(noise, 255),
        "flat": np.full_like(noise, 110),
        "blurred": np.repeat(good_frame[:, :, :1], 3, axis=2),
    }
    assert {kind: find_kind(checks.find_fault(frame)) for kind, frame in frames.items()} == {
        kind: kind for kind in frames
    }


def test_what_an_alignment_finds_has_its_kind() -> None:
    reference = np.zeros((64, 64, 3), np.uint8)
    reference[20:40, 16:48] = 200
    aligner = Aligner(Alignment(mode="translation", floor=0.5), reference)
    cut_off = np.roll(reference, 30, axis=1)
    cut_off[:, :16] = 0
    for frame in (np.zeros_like(reference), cut_off):
        with pytest.raises(AlignmentError) as caught:
            aligner.align(frame)
        assert find_kind(str(caught.value)) == "misplaced"


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 3), np.uint8), np.zeros(3), np.zeros((9, 9, 3))])
def test_frames_of_a_wrong_kind(frame: np.ndarray) -> None:
    with pytest.raises(FrameError) as caught:
        Preprocessing(resize=36, crop=32).apply(to_bgr8(frame))
    assert find_kind(str(caught.value)) == "size"


@given(st.text())
def test_there_are_only_so_many(reason: str) -> None:
    assert find_kind(reason) in INVALID_KINDS
