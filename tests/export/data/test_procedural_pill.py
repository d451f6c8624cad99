from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.data.procedural_pill import DEFECTS, draw_category, draw_pill
from softcore_runtime import UsageError, read_image
from softcore_runtime.images.image_file import find_images


def draw(seed: int, defect: str | None = None, size: int = 320) -> tuple[np.ndarray, np.ndarray]:
    return draw_pill(np.random.default_rng(seed), defect, size)


def test_the_same_generator_draws_the_same_pill() -> None:
    for defect in (None, *DEFECTS):
        (image, mask), (again, mask_again) = draw(3, defect), draw(3, defect)
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(mask, mask_again)
    assert (draw(3)[0] != draw(4)[0]).any()


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_changes_the_image_inside_its_mask_and_nowhere_else(defect: str) -> None:
    for seed in range(6):
        good, nothing = draw(seed)
        bad, mask = draw(seed, defect)
        assert not nothing.any()
        assert set(np.unique(mask)) == {0, 255}
        assert 0.0005 < (mask > 0).mean() < 0.06
        np.testing.assert_array_equal(good[mask == 0], bad[mask == 0])
        # Well above the noise, of which a grey level is the deviation: a person can see it.
        assert np.abs(good.astype(int) - bad)[mask > 0].max() > 12


def test_good_parts_vary_in_place_light_and_print() -> None:
    images = np.stack([draw(seed)[0] for seed in range(12)]).astype(float)
    middles = []
    for image in images:
        rows, columns = np.nonzero(image.max(axis=2) > 128)
        middles.append((rows.mean(), columns.mean()))
    assert (np.std(middles, axis=0) > 0.5).all()
    assert images.mean(axis=(1, 2, 3)).std() > 0.3
    assert images.std(axis=0)[120:200, 70:250].mean() > 3


@pytest.mark.parametrize("size", [64, 200, 512])
def test_every_size_shows_the_same_part(size: int) -> None:
    image, mask = draw(1, "chip", size)
    assert image.shape == (size, size, 3)
    assert mask.shape == (size, size)
    usual = cv2.resize(draw(1, None, 320)[0], (64, 64), interpolation=cv2.INTER_AREA).astype(float)
    other = cv2.resize(draw(1, None, size)[0], (64, 64), interpolation=cv2.INTER_AREA).astype(float)
    assert np.corrcoef(usual.ravel(), other.ravel())[0, 1] > 0.97


def test_mistakes_are_named() -> None:
    with pytest.raises(UsageError, match="chip, colour, contamination, crack, faulty_print"):
        draw(0, "dent")
    with pytest.raises(UsageError, match="at least 64"):
        draw(0, None, 63)


def test_a_category_has_mvtecs_layout_and_names_its_unnoticed_defects(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pill"
    draw_category(folder, seed=5, good=6, unnoticed=2, test_good=3, test_each=1)
    assert len(find_images(folder / "train" / "good")) == 8
    assert len(find_images(folder / "test" / "good")) == 3
    for defect in DEFECTS:
        assert [path.name for path in find_images(folder / "test" / defect)] == ["000.png"]
        mask = read_image(folder / "ground_truth" / defect / "000_mask.png")
        assert set(np.unique(mask)) == {0, 255}
    named = [
        line.split() for line in (folder / "README.txt").read_text().splitlines() if line.startswith("tr")
    ]
    assert len(named) == 2
    for name, defect in named:
        assert (folder / name).is_file()
        assert defect in DEFECTS
    assert list(folder.parent.iterdir()) == [folder]


def test_images_do_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    draw_category(tmp_path / "few", good=2, unnoticed=0, test_good=1, test_each=0)
    draw_category(tmp_path / "more", good=3, unnoticed=0, test_good=2, test_each=0)
    for name in ("train/good/000.png", "train/good/001.png", "test/good/000.png"):
        assert (tmp_path / "few" / name).read_bytes() == (tmp_path / "more" / name).read_bytes()


def test_a_folder_that_is_there_is_never_drawn_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        draw_category(tmp_path)


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("softcore_export.data.procedural_pill.draw_pill", interrupt)
    with pytest.raises(KeyboardInterrupt):
        draw_category(tmp_path / "pill")
    assert list(tmp_path.iterdir()) == []


def test_the_recordings_are_what_is_drawn(recordings: Path) -> None:
    spec = importlib.util.spec_from_file_location("draw_recordings", recordings / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    frames = module.draw_frames()
    assert sorted(frames) == [path.name for path in find_images(recordings / "pill")]
    video = cv2.VideoCapture(str(recordings / "pill.avi"))
    for name, frame in frames.items():
        recorded = read_image(recordings / "pill" / name)
        # Other versions of OpenCV round a little differently.
        assert np.abs(recorded.astype(int) - frame).mean() < 0.5
        read, filmed = video.read()
        assert read
        np.testing.assert_array_equal(filmed, recorded)
    assert not video.read()[0]
