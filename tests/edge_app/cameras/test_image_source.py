from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.cameras.image_source import ImageSource, is_image
from softcore_runtime import SourceError


def write_png(path: Path, frame: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", frame)[1].tobytes())
    return path


def test_folder_comes_in_the_order_of_its_paths(tmp_path: Path, good_frame: np.ndarray) -> None:
    for name in ("b/2.png", "c.png", "a.png", "b/10.png"):
        write_png(tmp_path / name, good_frame)
    frames = list(ImageSource(tmp_path).read_frames())
    assert [(frame.number, frame.name) for frame in frames] == [
        (1, "a.png"), (2, "b/10.png"), (3, "b/2.png"), (4, "c.png"),
    ]  # fmt: skip
    assert all(frame.image is not None and np.array_equal(frame.image, good_frame) for frame in frames)


def test_one_image_is_named_after_its_file(tmp_path: Path, good_frame: np.ndarray) -> None:
    write_png(tmp_path / "other.png", good_frame)
    frames = list(ImageSource(write_png(tmp_path / "one.png", good_frame)).read_frames())
    assert [frame.name for frame in frames] == ["one.png"]


def test_unreadable_images_keep_their_place(tmp_path: Path, good_frame: np.ndarray) -> None:
    whole = write_png(tmp_path / "d.png", good_frame).read_bytes()
    (tmp_path / "a.png").write_text("no image")
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.png").touch()
    frames = list(ImageSource(tmp_path).read_frames())
    assert [frame.image is None for frame in frames] == [True, True, True, False]
    reasons = [frame.reason or "" for frame in frames]
    assert reasons[2] == "the file is empty"  # without the path, which the name already gives
    assert all(reasons[:3])


def test_a_image_that_vanishes_is_a_frame_with_a_reason(tmp_path: Path, good_frame: np.ndarray) -> None:
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, good_frame)
    frames = ImageSource(tmp_path).read_frames()
    assert next(frames).reason is None
    (tmp_path / "b.png").unlink()
    last = next(frames)
    assert last.name == "b.png"
    assert "No such file" in (last.reason or "")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(SourceError, match=r"no images here or in its folders .*\.png"):
        ImageSource(tmp_path)


@pytest.mark.parametrize("image", [None, np.zeros((8, 8, 3), np.uint8)])
def test_a_frame_has_a_image_or_a_reason(image: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="frame 7"):
        Frame(7, "x", image=image, reason=None if image is None else "both")


@pytest.mark.parametrize(
    ("name", "expected"), [("a.PNG", True), ("a.jpeg", True), ("a.avi", False), ("png", False)]
)
def test_images_are_told_by_their_suffix(name: str, expected: bool) -> None:
    assert is_image(Path(name)) is expected


def test_the_folder_is_listed_once(tmp_path: Path, good_frame: np.ndarray) -> None:
    write_png(tmp_path / "a.png", good_frame)
    source = ImageSource(tmp_path)
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    assert len(list(source.read_frames())) == 1


def test_what_is_not_taken_is_said_when_the_source_is_opened(
    tmp_path: Path, good_frame: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "parts"
    write_png(folder / "a.png", good_frame)
    write_png(tmp_path / "disk" / "b.png", good_frame)
    (folder / "disk").symlink_to(tmp_path / "disk")
    (folder / "again").symlink_to(folder)
    (folder / "c.heic").touch()
    (folder / "d.png").symlink_to("nowhere")
    (folder / "lost").symlink_to("nowhere")
    frames = list(ImageSource(folder).read_frames())
    assert [frame.name for frame in frames] == ["a.png", "d.png", "disk/b.png"]
    assert [frame.image is None for frame in frames] == [False, True, False]
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: 1 symbolic link leads nowhere and is left out: lost",
        f"{folder}: 1 link to a folder leads back, or to what is listed already: again",
        f"{folder}: 1 image of a kind that is not read is left out (.heic): c.heic; convert it to .png",
    ]


def test_only_what_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "c.heic").touch()
    with pytest.raises(
        SourceError, match=r"no images here .*; 1 image of a kind that is not read is left out"
    ):
        ImageSource(tmp_path)


def test_a_name_that_is_no_text(tmp_path: Path, good_frame: np.ndarray) -> None:
    for name in (b"gr\xfcn.png", b"w\xfcst.png"):
        write_png(tmp_path / os.fsdecode(name), good_frame)
    (tmp_path / os.fsdecode(b"w\xfcst.png")).write_bytes(b"no image")
    first, second = ImageSource(tmp_path).read_frames()
    assert first.image is not None
    assert second.reason == "not an image, or a damaged one"


def test_what_is_white_is_told_by_the_bundle_in_use(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((9, 9), 4095, np.uint16))
    source, white = ImageSource(tmp_path), [65535]
    source.follow_white(lambda: white[0])
    (dark,) = source.read_frames()
    white[0] = 4095
    (bright,) = source.read_frames()
    assert dark.image is not None
    assert bright.image is not None
    assert (dark.image.max(), bright.image.min()) == (16, 255)


def test_several_pages_are_no_frame(tmp_path: Path, good_frame: np.ndarray) -> None:
    cv2.imwritemulti(str(tmp_path / "a.tif"), [good_frame, good_frame])
    (frame,) = ImageSource(tmp_path).read_frames()
    assert frame.reason == "a TIFF of 2 pages can't be read; save each as a file of its own"
