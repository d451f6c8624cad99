from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from softcore_export.alignment.alignment_choice import GAIN, AlignmentChoice, choose_alignment, measure_scores
from softcore_export.alignment.alignment_request import AlignmentRequest
from softcore_export.alignment.small_images import read_small
from softcore_export.backbone.backbone import load_backbone
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing

from .parts import SIDE, draw_part

CPU = torch.device("cpu")
SMALL = Preprocessing(resize=72, crop=64)


def write_parts(folder: Path, distance: float, angle: float, count: int = 20) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        x, y, turn = rng.uniform(-1, 1, 3) * (distance, distance, angle)
        paths.append(folder / f"{number:02}.png")
        assert cv2.imwrite(str(paths[-1]), draw_part(x, y, turn, seed=number))
    return paths


def choose(request: AlignmentRequest, paths: list[Path]) -> AlignmentChoice:
    network = load_backbone("filterbank", None, (), 64).network
    return choose_alignment(request, read_small(paths, SMALL), SMALL, network, CPU)


@pytest.mark.parametrize(
    ("distance", "angle", "expected"),
    [(0, 0, None), (14, 0, "translation"), (8, 180, "rigid"), (8, 20, "rigid")],
)
def test_auto_takes_what_makes_parts_alike(
    tmp_path: Path, distance: float, angle: float, expected: str | None
) -> None:
    choice = choose("auto", write_parts(tmp_path, distance, angle))
    if expected == "translation":  # either does
        assert choice.reference is not None
    else:
        assert (choice.reference and choice.reference.mode) == expected
    assert choice.describe().startswith("aligned (" if expected else "not aligned: leave-one-out scores")


def test_auto_says_that_there_is_no_reference(tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{number}.png")
        assert cv2.imwrite(str(paths[-1]), noise)
    assert choose("auto", paths).describe() == "not aligned: the training images have no reference in common"
    with pytest.raises(
        UsageError, match=r"^--align rigid: the training images have no reference in common \(med"
    ):
        choose("rigid", paths)


def test_what_is_asked_for_is_done(tmp_path: Path) -> None:
    paths = write_parts(tmp_path, 0, 0)
    assert choose("none", paths).align(SMALL) is SMALL
    choice = choose("translation", paths)
    assert choice.describe().startswith("aligned (translation), median quality 0.")
    aligned = choice.align(SMALL)
    assert isinstance(aligned, AlignedPreprocessing)
    assert aligned.aligner.alignment == choice.alignment


def test_scores_are_those_of_the_nearest_other_image() -> None:
    """By a plain loop, where the bank holds every patch."""
    images = [draw_part(seed=number, spot=number == 3) for number in range(5)]
    network = load_backbone("filterbank", None, (), 64).network
    scores = measure_scores(images, SMALL, network, CPU)
    with torch.no_grad():
        features = [network(torch.from_numpy(SMALL.cut(image)))[0] for image in images]
    for row, patches in enumerate(features):
        others = torch.cat([other for number, other in enumerate(features) if number != row])
        expected = torch.cdist(patches, others, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1).max()
        assert scores[row] == pytest.approx(float(expected), rel=1e-3)
    assert scores.argmax() == 3
    assert 0 < GAIN < 1
