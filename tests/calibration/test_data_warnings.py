from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_calibration.data.scoring import ScoredImage, Scoring
from softcore_calibration.data_warnings import (
    DataWarning,
    find_data_warnings,
    find_near_duplicates,
    refuse_swapped,
    warn_of_compression,
)
from softcore_calibration.scores import Scores
from softcore_runtime.bundle.training import Training
from softcore_runtime.errors import DataError
from softcore_runtime.images.compression import measure_compression, summarize_compression

RNG = np.random.default_rng(0)


def image(name: str, score: float, spread: float = 0.1, thumbnail: np.ndarray | None = None) -> ScoredImage:
    if thumbnail is None:
        thumbnail = RNG.integers(0, 256, (32, 32), dtype=np.uint8)
    return ScoredImage(name, Path(name), False, name, score, spread, thumbnail, np.ones(3))


@pytest.fixture
def training() -> Training:
    rng = np.random.default_rng(1)
    base = rng.integers(60, 200, (32, 32))
    parts = np.clip(base + rng.normal(0, 10, (30, 32, 32)), 0, 255).astype(np.uint8)
    return Training(rng.normal(5, 0.5, 30), parts, np.ones((30, 3)))


def data_warnings(training: Training, **fields: list[object]) -> dict[str, DataWarning]:
    found = find_data_warnings(Scoring(**fields), training)  # type: ignore[arg-type]
    return {warning.kind: warning for warning in found}


def test_sound_images_raise_none(training: Training) -> None:
    rng = np.random.default_rng(2)
    good: list[object] = [image(f"g{i}", score) for i, score in enumerate(rng.normal(5, 0.5, 50))]
    bad: list[object] = [image(f"b{i}", score) for i, score in enumerate(rng.normal(20, 2, 50))]
    assert data_warnings(training, good=good, bad=bad) == {}


def test_each_warning_has_its_words(training: Training) -> None:
    good: list[object] = [image(f"g{i}", 9 + i / 100) for i in range(30)]
    good.append(image("alien", 12, spread=0.6))
    found = data_warnings(
        training,
        good=good,
        bad=[image("b", 9.1)],
        unread=["x: broken"],
        repeated=["y", "z"],
        contradicted=["w"],
    )
    assert str(found["unread"]) == "1 image could not be read, left out: x: broken"
    assert str(found["repeated"]) == "2 images with the content of another, not counted: y, z"
    assert found["contradicted"].names == ("w",)
    assert found["strange"].names == ("alien",)
    assert "score 1.9" in found["drift"].words
    assert "1 of 1 bad images" in found["overlap"].words
    assert "1 bad image says next to nothing" in found["few"].words


def test_long_lists_are_cut() -> None:
    assert str(DataWarning("k", "these", tuple("abcdefg"))) == "these: a, b, c, d, e and 2 more"


def test_a_copy_of_a_training_image_is_known_again(training: Training) -> None:
    rng = np.random.default_rng(3)
    copy = np.clip(training.thumbnails[7] + rng.normal(0, 1, (32, 32)), 0, 255).astype(np.uint8)
    mean = training.thumbnails.mean(axis=0)
    other = np.clip(mean + rng.normal(0, 10, (32, 32)), 0, 255).astype(np.uint8)
    assert find_near_duplicates(
        [image("copy", 1, thumbnail=copy), image("new", 1, thumbnail=other)], training
    ) == ["copy"]
    assert find_near_duplicates([], training) == []


def test_swapped_classes_are_refused() -> None:
    low, high = np.linspace(1, 2, 20), np.linspace(3, 4, 20)
    refuse_swapped(Scores(low, high))
    with pytest.raises(DataError, match=r"AUROC 0\.000\): are they the wrong way round\?"):
        refuse_swapped(Scores(high, low))
    with pytest.raises(DataError, match="the wrong way round"):
        refuse_swapped(Scores(high, low[:1]))
    with pytest.raises(DataError, match=r"the wrong way round\? \(it is another product: a\)"):
        refuse_swapped(Scores(high, low), [DataWarning("strange", "it is another product", ("a",))])
    refuse_swapped(Scores(low, low))  # hopeless, but not swapped
    refuse_swapped(Scores(low, np.zeros(0)))


def test_images_that_are_compressed_otherwise_than_the_training_images(tmp_path: Path) -> None:
    """Good parts learned from PNG passed as PNG and failed as video, without a word."""
    rng = np.random.default_rng(4)
    coarse = cv2.resize(rng.uniform(60, 190, (6, 6)), (96, 96), interpolation=cv2.INTER_CUBIC)
    scored: dict[str, list[ScoredImage]] = {".png": [], ".jpg": []}
    for number in range(40):
        pixels = np.clip(coarse[:, :, None] + rng.normal(0, 1, (96, 96, 3)), 0, 255).astype(np.uint8)
        for suffix, some in scored.items():
            path = tmp_path / f"{number:02}{suffix}"
            assert cv2.imwrite(str(path), pixels)
            some.append(image(str(path), 1.0))
    known = summarize_compression([measure_compression(cv2.imread(one.name)) for one in scored[".png"][:20]])
    assert warn_of_compression(scored[".png"][20:], known) is None
    scored[".jpg"][0].path.unlink()  # read_again raises for it; here it is one fewer
    found = warn_of_compression(scored[".jpg"], known)
    assert found is not None
    assert found.kind == "compression"
    assert str(found) == (
        "the images are compressed in blocks, as JPEG and video are, more than the training images: is that "
        "how the line's come? Scores may be higher for that; train and calibrate on images that come the way "
        "the line's do"
    )
    assert warn_of_compression([], known) is None
    assert warn_of_compression(scored[".jpg"], None) is None
