from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.outputs.archive_record import ArchivedImage, write_sidecar
from softcore_edge_app.replay.replay import Outcome, Repeated, repeat
from softcore_edge_app.replay.replay_bundles import ReplayBundles
from softcore_edge_app.replay.replay_records import Recorded
from softcore_runtime import BundleCorruptError, Inspector
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold
from softcore_runtime.bundle.training import read_training

from ..records import decide

Record = Callable[..., Recorded]


@pytest.fixture
def record(tiny_bundle: Path, tmp_path: Path) -> Record:
    """A function that decides on an image as a line does just now, and gives the record."""
    count = 0

    def record(image: np.ndarray, *, fast: bool = False, checked: bool = True, **changes: Any) -> Recorded:
        nonlocal count
        count += 1
        inspector = Inspector.load(tiny_bundle)
        checks = FrameChecks(read_training(tiny_bundle)) if checked else None
        frame = Frame(count, "x", image=image)
        seal = (tiny_bundle / "manifest.json").read_text().split('"seal": "')[1][:64]
        made = decide(inspector, frame, f"run-{count}", count, checks=checks, fast=fast, bundle=seal).record
        file = tmp_path / f"{count}.png"
        png = cv2.imencode(".png", image)[1].tobytes()
        file.write_bytes(png)
        sidecar = write_sidecar(made, image.shape, png).decode()
        digest = sidecar.split('"sha256": "')[1][:64]
        described = ArchivedImage(sha256=digest, height=image.shape[0], width=image.shape[1])
        return Recorded(file.name, file, replace(made, **changes), described)

    return record


def replay(bundle: Path, *records: Recorded) -> list[Repeated]:
    bundles = ReplayBundles([bundle])
    return [repeat(one, bundles) for one in records]


def entry_of(recorded: Recorded) -> DecisionRecord:
    assert recorded.record
    return recorded.record


def test_decisions_come_out_to_the_last_bit_in_any_order(
    tiny_bundle: Path, record: Record, good_frame: np.ndarray
) -> None:
    rng = np.random.default_rng(3)
    frames = [
        np.clip(good_frame.astype(int) + rng.integers(-40, 41, good_frame.shape) * scale, 0, 255)
        for scale in (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    records = [record(frame.astype(np.uint8), checked=False) for frame in frames]
    assert len({entry_of(one).decision for one in records}) == 2
    for order in (records, records[::-1]):
        done = replay(tiny_bundle, *order)
        assert [one.outcome for one in done] == [Outcome.SAME_SCORE] * 6
        for one in done:
            assert one.now
            assert one.now.score == entry_of(one.recorded).score
    wrong = np.nextafter(entry_of(records[-1]).score or 0, np.inf)
    (one,) = replay(tiny_bundle, replace(records[-1], record=replace(entry_of(records[-1]), score=wrong)))
    assert one.outcome is Outcome.DIFFERENT
    assert f"FAIL then and now, but the score was {float(wrong)!r} and is" in str(one.detail)


def test_another_decision_is_said_with_both_scores(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray
) -> None:
    (one,) = replay(tiny_bundle, record(bad_frame, decision="PASS", score=3.5))
    assert one.outcome is Outcome.DIFFERENT
    assert one.now
    assert one.detail == f"PASS then (3.5), FAIL now ({one.now.score!r})"


@pytest.mark.parametrize("spoil", ["changed", "shortened", "gone"])
def test_a_image_that_is_not_as_it_was(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray, spoil: str
) -> None:
    recorded = record(bad_frame)
    data = bytearray(recorded.file.read_bytes())
    if spoil == "gone":
        recorded.file.unlink()
    else:
        data[len(data) // 2] ^= 1
        recorded.file.write_bytes(data if spoil == "changed" else data[:-1])
    (one,) = replay(tiny_bundle, recorded)
    assert one.outcome is Outcome.DIFFERENT
    assert one.detail == (
        "its image can't be read (No such file or directory)" if spoil == "gone" else "its image was changed"
    )


def test_a_image_with_its_own_hash_that_is_none(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray
) -> None:
    recorded = record(bad_frame)
    recorded.file.write_bytes(b"hello")
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    (one,) = replay(tiny_bundle, replace(recorded, image=ArchivedImage(sha256=digest, height=1, width=1)))
    assert one.outcome is Outcome.DIFFERENT
    assert one.detail == "its image can't be read (not an image, or a damaged one)"


def test_the_threshold_of_then_holds_whatever_was_set_since(
    tiny_bundle: Path, record: Record, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    exported = read_manifest(tiny_bundle)
    score = entry_of(record(bad_frame)).score
    assert score
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[16:32, 26:42] = 255
    records = []
    for update, level in (
        ({"value": 1.5 * score}, 0),
        ({"value": score / 2, "fail_above": 1.5 * score}, 0),
        ({}, 255),
        ({"min_area": 4}, 0),
        ({"value": 3.0}, 254),
    ):
        records += [record(good_frame), record(bad_frame), record(bad_frame, fast=True)]
        png = cv2.imencode(".png", mask // 255 * level)[1].tobytes() if level else None
        set_threshold(tiny_bundle, exported.threshold.model_copy(update=update), exported, png)
    records += [record(good_frame), record(bad_frame)]
    told = [str(entry_of(one).decision) for one in records[1::3]]
    assert told == ["FAIL", "PASS", "REVIEW", "PASS", "FAIL", "PASS"]
    assert len({entry_of(one).bundle for one in records}) == 6
    for done in replay(tiny_bundle, *records), replay(tiny_bundle, *records[::-1]):
        for one in done:
            exact = entry_of(one.recorded).bound == "exact"
            assert one.outcome is (Outcome.SAME_SCORE if exact else Outcome.SAME_DECISION)
            assert one.detail == (None if exact else "no exact score was recorded")


def test_a_threshold_that_was_taken_back_is_found_by_its_value(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray
) -> None:
    exported = read_manifest(tiny_bundle)
    before = record(bad_frame)
    mask = cv2.imencode(".png", np.zeros((48, 48, 3), np.uint8))[1].tobytes()
    set_threshold(tiny_bundle, exported.threshold.model_copy(update={"value": 3.0}), exported, mask)
    during = record(bad_frame)
    revert_threshold(tiny_bundle)
    after = record(bad_frame)  # the threshold of before, and a mask's file that is left: another seal
    assert entry_of(after).bundle != entry_of(before).bundle
    done = replay(tiny_bundle, before, during, after)
    assert [one.outcome for one in done] == [Outcome.SAME_SCORE, Outcome.NOT_REPLAYED, Outcome.SAME_SCORE]
    assert str(done[1].detail).startswith("no bundle of category tiny with the seal ")
    # The same threshold once more: the seal is another, for the history is, but the threshold isn't.
    for value in (5.0, 3.0):
        set_threshold(tiny_bundle, exported.threshold.model_copy(update={"value": value}), exported)
    done = replay(tiny_bundle, before, during, after)
    assert [one.outcome for one in done] == [Outcome.SAME_SCORE] * 3
    assert [one.detail is None for one in done] == [True, False, True]
    lied = replace(during, record=replace(entry_of(during), score=4.0))
    (one,) = replay(tiny_bundle, lied)
    assert str(one.detail).endswith("is here, one with this threshold is")


def test_a_threshold_that_the_seal_contradicts(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray
) -> None:
    (one,) = replay(tiny_bundle, record(bad_frame, threshold=11.0))
    assert one.outcome is Outcome.DIFFERENT
    assert str(one.detail).startswith("its threshold is 11.0 to 12.0, the bundle's was ")


def test_another_bundle_is_not_taken(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray, tmp_path: Path
) -> None:
    recorded = record(bad_frame, category="screw", bundle="ab" * 32)
    (one,) = replay(tiny_bundle, recorded)
    assert one.outcome is Outcome.NOT_REPLAYED
    assert one.detail == "no bundle of category screw with the seal abababababab is here"
    changed = Path(shutil.copytree(tiny_bundle, tmp_path / "changed"))
    weights = np.load(changed / "weights.npy")
    np.save(changed / "weights.npy", weights * 1.5)
    with pytest.raises(BundleCorruptError, match=r"weights\.npy: changed since it was written"):
        replay(changed, record(bad_frame))


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (np.zeros((48, 48, 3), np.uint8), "too dark"),
        (np.full((48, 48, 3), 255, np.uint8), "too bright"),
        (np.full((48, 48, 3), 110, np.uint8), "without contrast"),
        (np.full((4, 48, 3), 110, np.uint8), "a frame of 48 x 4 pixels is too small"),
    ],
)
def test_what_no_part_can_look_like_is_invalid_again(
    tiny_bundle: Path, record: Record, image: np.ndarray, kind: str, good_frame: np.ndarray
) -> None:
    recorded = record(image)
    assert str(entry_of(recorded).reason).startswith(kind)
    (one,) = replay(tiny_bundle, recorded)
    assert (one.outcome, one.detail) == (Outcome.SAME_DECISION, "no exact score was recorded")
    # The image of a good part can't have been refused for that.
    lied = record(good_frame)
    lied = replace(lied, record=replace(entry_of(recorded), trigger="lied"))
    (one,) = replay(tiny_bundle, lied)
    assert one.outcome is Outcome.DIFFERENT
    assert str(one.detail).startswith(f"INVALID then ({kind}")


@pytest.mark.parametrize(
    "reason",
    [
        "late: still being inspected after 1.00 s",
        "the ledger can't be written (disk full); too dark: its mean grey level is 0",
        "too many triggers: 16 wait",
        "the image has not changed for 5 s",
        None,
    ],
)
def test_what_no_image_shows_is_not_replayed(
    tiny_bundle: Path, record: Record, good_frame: np.ndarray, reason: str | None
) -> None:
    recorded = record(good_frame, decision="INVALID", score=None, bound=None, reason=reason)
    done = replay(tiny_bundle, recorded, replace(recorded, image=None))
    assert [one.outcome for one in done] == [Outcome.NOT_REPLAYED] * 2
    assert [one.detail for one in done] == ["INVALID for what no image shows", "there was no image"]


def test_unchecked_frames_are_replayed_unchecked(tiny_bundle: Path, record: Record) -> None:
    (one,) = replay(tiny_bundle, record(np.zeros((48, 48, 3), np.uint8), checked=False))
    assert one.outcome is Outcome.SAME_SCORE


def test_a_bound_is_held_by_the_score(tiny_bundle: Path, record: Record, good_frame: np.ndarray) -> None:
    recorded = record(good_frame, fast=True)
    entry = entry_of(recorded)
    assert (entry.decision, entry.bound) == ("PASS", "upper")
    below = replace(recorded, record=replace(entry, score=1e-3))
    exact, bound = replay(tiny_bundle, recorded, below)
    assert (exact.outcome, exact.detail) == (Outcome.SAME_DECISION, "no exact score was recorded")
    assert bound.outcome is Outcome.DIFFERENT
    assert "the score was <= 0.001 and is" in str(bound.detail)


def test_another_computer_is_held_to_the_decision_alone(
    tiny_bundle: Path, record: Record, bad_frame: np.ndarray
) -> None:
    recorded = record(bad_frame, engine="tensorrt", provider="GPU", precision="fp16", score=99.0)
    flipped = replace(recorded, record=replace(entry_of(recorded), decision="PASS", score=3.0))  # type: ignore[arg-type]
    same, other = replay(tiny_bundle, recorded, flipped)
    then = "tensorrt (GPU) in fp16 then, onnxruntime (cpu) in fp32 here"
    assert (same.outcome, same.detail) == (Outcome.SAME_DECISION, then)
    assert other.outcome is Outcome.DIFFERENT
    assert str(other.detail).endswith(then)


def test_the_provider_of_then_decides_again_and_another_where_it_is_missing(
    tiny_bundle: Path, record: Record, good_frame: np.ndarray, gpu: Any
) -> None:
    recorded = record(good_frame, provider="cuda")
    (one,) = replay(tiny_bundle, recorded)
    assert (one.outcome, one.detail) == (Outcome.SAME_SCORE, None)
    gpu.fails = True
    (one,) = replay(tiny_bundle, recorded)
    assert one.outcome is Outcome.SAME_DECISION
    assert one.detail == "onnxruntime (cuda) in fp32 then, onnxruntime (cpu) in fp32 here"


def test_a_record_with_a_fault_is_different(tiny_bundle: Path, tmp_path: Path) -> None:
    (one,) = replay(tiny_bundle, Recorded("x.json", tmp_path / "x.png", None, None, "no sidecar"))
    assert (one.outcome, one.detail) == (Outcome.DIFFERENT, "no sidecar")
