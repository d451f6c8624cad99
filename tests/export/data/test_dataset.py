from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from softcore_export.data.dataset import FEWEST, TrainingImages, find_category
from softcore_export.data.labelled_images import find_labelled
from softcore_export.data.training_set import TrainingScan, TrainingSet, sample_crops
from softcore_runtime import DataError, Preprocessing, UsageError

SMALL = Preprocessing(resize=36, crop=32)


def fill(folder: Path, names: list[str]) -> Path:
    """Write a different image under each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        plain = np.zeros((20, 30, 3), np.uint8)
        plain[:] = sum(name.encode()) % 200 + 20, *zlib.crc32(name.encode()).to_bytes(4, "big")[:2]
        assert cv2.imwrite(str(folder / name), plain)
    return folder


def numbered(n: int) -> list[str]:
    return [f"{number:03}.png" for number in range(n)]


def read(folder: Path, max_images: int | None = None) -> tuple[TrainingSet, list[np.ndarray]]:
    scan = TrainingScan(TrainingImages.find(folder, max_images), SMALL)
    crops = list(scan)
    return scan.finish(), crops


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (["pill/train/good", "pill/test/good", "pill/ground_truth"], "pill/train/good"),  # MVTec AD
        (["pill/train", "pill/test"], "pill/train"),
        (["pill"], "pill"),
        (["pill/monday", "pill/tuesday"], "pill"),
    ],
)
def test_where_the_training_images_are(tmp_path: Path, made: list[str], found: str) -> None:
    for folder in made:
        fill(tmp_path / folder, numbered(FEWEST))
    assert TrainingImages.find(find_category(tmp_path, "pill")).folder == tmp_path / found


def test_the_root_itself_where_it_holds_images(tmp_path: Path) -> None:
    fill(tmp_path, ["a.PNG"])
    (tmp_path / "notes").mkdir()
    assert find_category(tmp_path, "pill") == tmp_path
    (tmp_path / "pill").mkdir()
    assert find_category(tmp_path, "pill") == tmp_path / "pill"


@pytest.mark.parametrize("there", ["test", "ground_truth"])
def test_test_images_are_never_learned(tmp_path: Path, there: str) -> None:
    fill(tmp_path / "pill" / there / "broken", numbered(20))
    with pytest.raises(UsageError, match=r"pill/train/good: no such folder"):
        TrainingImages.find(find_category(tmp_path, "pill"))


def test_a_missing_category_names_those_that_are_there(tmp_path: Path) -> None:
    for name in ("screw", "cable", ".cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "readme.txt").touch()
    with pytest.raises(UsageError, match=r"/pill: no such folder; there are: cable, screw$"):
        find_category(tmp_path, "pill")


def test_the_nearest_category_is_named(tmp_path: Path) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError) as caught:
        find_category(tmp_path, "smal")
    said = f"{tmp_path / 'smal'}: no such folder; did you mean small?; there are: large, small"
    assert str(caught.value) == said


def test_nothing_there_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"/pill: no such folder, and nothing else is there"):
        find_category(tmp_path, "pill")
    for root in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=rf"{root.name}: no such folder; name with --data DIR the one"):
            find_category(root, "pill")


@pytest.mark.parametrize(("n", "said"), [(0, "no image,"), (1, "1 image,"), (3, "3 images,")])
def test_too_few_images_are_no_data(tmp_path: Path, n: int, said: str) -> None:
    fill(tmp_path, numbered(n))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=rf"{said} at least {FEWEST} are needed"):
        TrainingImages.find(tmp_path)
    fill(tmp_path, numbered(FEWEST))
    assert len(TrainingImages.find(tmp_path).paths) == FEWEST


def test_max_images_takes_the_first_by_name(tmp_path: Path) -> None:
    fill(tmp_path, numbered(20)[::-1])
    assert [path.name for path in TrainingImages.find(tmp_path, 9).paths] == numbered(9)
    assert len(TrainingImages.find(tmp_path, 99).paths) == 20


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


def test_labelled_images_are_good_or_in_another_folder(tmp_path: Path) -> None:
    fill(tmp_path / "good" / "monday", numbered(2))
    fill(tmp_path / "good", ["z.png"])
    fill(tmp_path / "crack", ["a.png", "b.png"])
    fill(tmp_path / "goods", ["a.jpg"])  # no longer good
    fill(tmp_path / "scratch" / "deep", ["b.bmp"])
    fill(tmp_path, ["loose.png"])
    (tmp_path / "notes.txt").touch()
    found = find_labelled(tmp_path)
    assert {path.relative_to(tmp_path).as_posix(): defective for path, defective in found.images} == {
        "good/monday/000.png": False, "good/monday/001.png": False, "good/z.png": False,
        "crack/a.png": True, "crack/b.png": True, "goods/a.jpg": True, "scratch/deep/b.bmp": True,
    }  # fmt: skip
    assert len(found.images) == 7
    assert found.layout == "good, beside crack, goods, scratch"
    assert found.omitted == [
        f"{tmp_path}: 1 image is in no folder that says good or bad, and left out: loose.png"
    ]


@pytest.mark.parametrize("truth", ["ground_truth", "Ground_Truth/crack", "GT", "crack/masks"])
def test_masks_are_no_defective_images(tmp_path: Path, truth: str) -> None:
    for name in ("good", "crack"):
        fill(tmp_path / name, [f"{name}.png"])
    (tmp_path / truth).mkdir(parents=True)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:9] = 255
    assert cv2.imwrite(str(tmp_path / truth / "crack.png"), mask)
    found = find_labelled(tmp_path).images
    assert found == [(tmp_path / "good" / "good.png", False), (tmp_path / "crack" / "crack.png", True)]


def test_labels_of_one_content_count_once(tmp_path: Path) -> None:
    fill(tmp_path / "good", ["a.png"])
    fill(tmp_path / "crack", ["b.png"])
    shutil.copy(tmp_path / "crack" / "b.png", tmp_path / "crack" / "b again.png")
    found = find_labelled(tmp_path)
    assert (len(found.images), found.repeated) == (2, 1)
    shutil.copy(tmp_path / "good" / "a.png", tmp_path / "crack" / "also.png")
    with pytest.raises(UsageError, match=r"crack/also\.png and good/a\.png have one content, given both as"):
        find_labelled(tmp_path)


def test_labelled_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "good", ["a.png"])
    fill(tmp_path / "crack", ["b.png", "c.png"])
    (tmp_path / "crack" / "b.png").write_text("this is no image")
    images, faults = find_labelled(tmp_path).check(SMALL)
    assert images == [(tmp_path / "good" / "a.png", False), (tmp_path / "crack" / "c.png", True)]
    (fault,) = faults
    assert fault.startswith(str(tmp_path / "crack" / "b.png"))
    cv2.imwrite(str(tmp_path / "crack" / "c.png"), np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(DataError, match=r"--labelled .*: of one kind no image could be read; .*b\.png"):
        find_labelled(tmp_path).check(SMALL)


@pytest.mark.parametrize(("made", "counts"), [(["good"], "2 and 0"), (["good", "crack"], "0 and 2")])
def test_labels_take_both_kinds(tmp_path: Path, made: list[str], counts: str) -> None:
    place = tmp_path / "labelled"
    for folder in made:
        fill(place / folder, [f"{folder}{name}" for name in numbered(2)])
    if counts == "0 and 2":
        shutil.rmtree(place / "good")
        (place / "good").mkdir()
    with pytest.raises(UsageError) as caught:
        find_labelled(place)
    assert str(caught.value) == (
        f"--labelled {place}: needs good images in {place / 'good'} and defective ones in another folder; "
        f"there are {counts}"
    )


def test_labels_take_a_folder_named_good(tmp_path: Path) -> None:
    for folder in ("goods", "crack"):
        fill(tmp_path / folder, numbered(2))
    with pytest.raises(UsageError, match=r"--labelled .*: needs good images in test/good"):
        find_labelled(tmp_path)


def test_labels_take_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--labelled .*/none: no such folder"):
        find_labelled(tmp_path / "none")


def test_what_is_left_out_of_the_folder_is_told(tmp_path: Path) -> None:
    fill(tmp_path, numbered(8))
    assert TrainingImages.find(tmp_path).omitted == ()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    said = f"{tmp_path}: 1 symbolic link leads nowhere and is left out: gone.png"
    assert TrainingImages.find(tmp_path).omitted == (said,)
    (tmp_path / "000.png").unlink()
    with pytest.raises(DataError) as caught:
        TrainingImages.find(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: 7 images, at least 8 are needed (bmp, jfif, jpeg, jpg, png, tif, tiff, webp); "
        "1 symbolic link leads nowhere and is left out: gone.png"
    )


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
