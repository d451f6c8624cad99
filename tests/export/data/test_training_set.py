from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from softcore_export.contamination.contamination import ImageCopy
from softcore_export.data.dataset import FEWEST, TrainingImages
from softcore_export.data.training_set import TrainingScan, TrainingSet, sample_crops
from softcore_export.feature_store.feature_store import FeatureStore, StoreSection
from softcore_runtime import DataError, Preprocessing

from .image_files import fill, numbered

SMALL = Preprocessing(resize=36, crop=32)


def read(folder: Path, max_images: int | None = None) -> tuple[TrainingSet, list[np.ndarray]]:
    scan = TrainingScan(TrainingImages.find(folder, max_images), SMALL)
    crops = list(scan)
    return scan.finish(), crops


def test_crops_are_the_preprocessed_images(tmp_path: Path) -> None:
    images, crops = read(fill(tmp_path, numbered(9)))
    assert [path.name for path in images.paths] == numbered(9)
    assert images.skipped == ()
    for path, crop in zip(images.paths, crops, strict=True):
        assert (crop.shape, crop.dtype) == ((32, 32, 3), np.uint8)
        assert (crop == cv2.imread(str(path))[0, 0]).all()


def test_unreadable_images_are_named_counted_and_skipped(tmp_path: Path) -> None:
    fill(tmp_path, numbered(8))
    rng = np.random.default_rng(0)
    good = Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8))
    for name in ("cut.png", "cut.jpg"):
        good.save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("this is no image")
    (tmp_path / "empty.bmp").touch()
    good.resize((1, 1)).save(tmp_path / "pixel.png")
    (tmp_path / "dangling.png").symlink_to("nowhere")  # no file: not even counted

    images, crops = read(tmp_path)
    assert len(crops) == len(images.paths) == len(images.digests) == 8
    assert [path.name for path in images.paths] == numbered(8)
    assert len(images.skipped) == 5
    for line, name in zip(images.skipped, ["cut.jpg", "cut.png", "empty.bmp", "pixel", "text"], strict=True):
        assert str(tmp_path / name) in line
        assert "\n" not in line


def test_too_few_that_can_be_read(tmp_path: Path) -> None:
    fill(tmp_path, numbered(FEWEST - 1))
    for name in ("x.png", "y.png"):
        (tmp_path / name).write_text("this is no image")
    with pytest.raises(DataError, match=r"7 images could be read, at least 8 .* first fault: .*x\.png"):
        read(tmp_path)


@pytest.mark.parametrize(("n", "count"), [(8, 4), (20, 4), (9, 64), (8, 8), (17, 1), (100, 64), (127, 64)])
def test_a_sample_is_spread_over_all(tmp_path: Path, n: int, count: int) -> None:
    """Whatever the order of the images means, say the day, the sample has seen all of it."""
    images = TrainingImages.find(fill(tmp_path, numbered(n)))
    for path, value in zip(images.paths, range(n), strict=True):
        assert cv2.imwrite(str(path), np.full((20, 30, 3), value, np.uint8))
    sample = sample_crops(images, SMALL, count)
    assert (sample.shape, sample.dtype) == ((min(n, count), 32, 32, 3), np.uint8)
    places = sample[:, 0, 0, 0].astype(int)
    assert (sample == places[:, None, None, None]).all()
    assert (np.diff(places) > 0).all()
    assert np.diff(places, prepend=-1, append=n).max() <= -(-n // count) + 1


def test_a_sample_takes_others_for_what_it_cannot_read(tmp_path: Path) -> None:
    images = TrainingImages.find(fill(tmp_path, numbered(12)))
    wanted = len(sample_crops(images, SMALL, 4))
    for path in images.paths[::2]:
        path.write_text("this is no image")
    images.paths[1].unlink()
    images.paths[3].write_bytes(cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes())
    there = {sum(path.name.encode()) % 200 + 20 for path in images.paths[5::2]}
    sample = sample_crops(images, SMALL, 4)
    assert len(sample) == wanted == 4
    assert set(sample[:, 0, 0, 0].tolist()) <= there
    assert len(sample_crops(images, SMALL, 12)) == 4  # all there are


def test_no_sample_of_nothing(tmp_path: Path) -> None:
    images = TrainingImages.find(fill(tmp_path, numbered(9)))
    for path in images.paths:
        path.write_text("this is no image")
    with pytest.raises(DataError, match=r"no image could be read, at least 8 .* first fault: .*000\.png"):
        sample_crops(images, SMALL, 4)


def test_sixteen_bits_and_cmyk_are_read(tmp_path: Path) -> None:
    fill(tmp_path, numbered(8))
    ramp = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.tif")
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    images, crops = read(tmp_path)
    assert images.skipped == ()
    deep, printed = crops[8].astype(int), crops[9].astype(int)
    assert deep.max() > 220  # scaled, not cut to the low byte
    assert (np.diff(deep[:, 16, 0]) >= 0).all()
    assert printed[:, :, 2].min() > 150 > printed[:, :, :2].max()  # red


def _change_nothing(_folder: Path) -> None:
    pass


def _change_a_pixel(folder: Path) -> None:
    image = cv2.imread(str(folder / "004.png"))
    image[3, 5] += 1
    assert cv2.imwrite(str(folder / "004.png"), image)


def _rename(folder: Path) -> None:
    (folder / "004.png").rename(folder / "0044.png")


def _swap(folder: Path) -> None:
    first, second = folder / "001.png", folder / "002.png"
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])


def _delete(folder: Path) -> None:
    (folder / "009.png").unlink()


def _move_into_a_folder(folder: Path) -> None:
    (folder / "004").mkdir()
    (folder / "004.png").rename(folder / "004" / "004.png")


def _add_what_is_not_read(folder: Path) -> None:
    (folder / "zzz.png").write_text("this is no image")
    (folder / "notes.txt").write_text("notes")


def _touch(folder: Path) -> None:
    for path in folder.iterdir():
        path.touch()
        path.chmod(0o600)


@pytest.mark.parametrize("change", [_change_nothing, _add_what_is_not_read, _touch])
def test_a_fingerprint_stays(tmp_path: Path, change: Callable[[Path], None]) -> None:
    before = read(fill(tmp_path / "a", numbered(10)))[0].fingerprint
    shutil.copytree(tmp_path / "a", tmp_path / "elsewhere")
    change(tmp_path / "elsewhere")
    assert read(tmp_path / "elsewhere")[0].fingerprint == before
    assert len(before) == 64


@pytest.mark.parametrize("change", [_change_a_pixel, _rename, _swap, _delete, _move_into_a_folder])
def test_a_fingerprint_changes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    before = read(fill(tmp_path, numbered(10)))[0].fingerprint
    change(tmp_path)
    assert read(tmp_path)[0].fingerprint != before


def _list_exact(images: TrainingSet) -> list[tuple[str, str, str]]:
    """List the exact copies: plain images are near each other besides."""
    copies = [(copy.path, copy.original, copy.alike) for copy in images.copies]
    return [copy for copy in copies if copy[2] != "near"]


def test_later_changes_of_the_folder_do_not_change_a_training_set(tmp_path: Path) -> None:
    fill(tmp_path, [*numbered(9), "copy.png"])
    (tmp_path / "copy.png").write_bytes((tmp_path / "003.png").read_bytes())
    images, _ = read(tmp_path)
    before = (images.names, images.fingerprint, images.skipped, images.copies)
    assert _list_exact(images) == [("copy.png", "003.png", "content")]
    shutil.rmtree(tmp_path)
    assert (images.names, images.fingerprint, images.skipped, images.copies) == before
    with pytest.raises(FrozenInstanceError):
        images.skipped = ()  # type: ignore[misc]


def test_the_very_pixels_of_another_image_are_learned_once(tmp_path: Path) -> None:
    fill(tmp_path, numbered(9))
    image = cv2.imread(str(tmp_path / "004.png"))
    assert cv2.imwrite(str(tmp_path / "saved anew.bmp"), image)
    images, crops = read(tmp_path)
    assert len(crops) == len(images.paths) == 9
    assert _list_exact(images) == [("saved anew.bmp", "004.png", "pixels")]


def test_near_copies_share_a_group(tmp_path: Path) -> None:
    images, _ = read(fill(tmp_path, numbered(9)))
    pairs = {"content": ("far.png", "000.png"), "near": ("005.png", "002.png")}
    copies = tuple(
        ImageCopy(path=path, original=original, alike=alike) for alike, (path, original) in pairs.items()
    )
    groups = replace(images, copies=copies).groups
    assert groups.dtype == np.int32
    assert groups.tolist() == [0, 1, 2, 3, 4, 2, 6, 7, 8]


def test_a_training_set_validates_itself(tmp_path: Path) -> None:
    images, _ = read(fill(tmp_path, numbered(9)))
    with pytest.raises(ValueError, match=r"must be \[N\] = \[9\], not \[8, 9, 9\]"):
        replace(images, digests=images.digests[1:])


def test_a_scan_reads_each_image_once(tmp_path: Path) -> None:
    scan = TrainingScan(TrainingImages.find(fill(tmp_path, numbered(9))), SMALL)
    crops = iter(scan)
    next(crops)
    with pytest.raises(RuntimeError, match="isn't complete"):
        scan.finish()
    assert len(list(crops)) == 8
    assert len(scan.finish().paths) == 9
    with pytest.raises(RuntimeError, match="once"):
        next(iter(scan))


def test_known_facts_give_the_same_set_without_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "images", numbered(9))
    section = StoreSection(FeatureStore(tmp_path / "store", 10**9), {})
    images = TrainingImages.find(folder)
    first = TrainingScan(images, SMALL, section)
    assert all(image.crop is not None for image in first.walk())
    second = TrainingScan(images, SMALL, section)
    with monkeypatch.context() as patch:
        patch.setattr(Preprocessing, "read", None)
        assert all(image.crop is None for image in second.walk())
    one, other = first.finish(), second.finish()
    for name in ("paths", "digests", "skipped", "copies", "traces"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.thumbnails, other.thumbnails)
    np.testing.assert_array_equal(one.image_statistics, other.image_statistics)


def test_an_image_that_is_being_written_to_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "images", numbered(10))
    images = TrainingImages.find(folder)
    growing, read = images.paths[4], Preprocessing.read

    def grow(self: Preprocessing, path: Path) -> np.ndarray:
        image = read(self, path)
        if path == growing:
            path.write_bytes(path.read_bytes() + b"x")
        return image

    monkeypatch.setattr(Preprocessing, "read", grow)
    store = FeatureStore(tmp_path / "store", 10**9)
    scan = TrainingScan(images, SMALL, StoreSection(store, {}))
    assert len(list(scan)) == 9
    assert scan.finish().skipped == (f"{growing}: is being written to",)
    assert store.measure().entries == 9
