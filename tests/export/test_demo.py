"""What the README says of the demo: the hidden defects are found, and the recorded frames decided rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from softcore_export import procedural_pill
from softcore_export.dataset import TrainingPictures
from softcore_export.export import Export, export
from softcore_export.settings import ExportSettings
from softcore_runtime import Decision, Inspector, Preprocessing, read_bundle, read_picture
from softcore_runtime.pictures import find_pictures


@pytest.fixture(scope="module")
def category(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "pill"
    procedural_pill.draw_category(folder)
    return folder


@pytest.fixture(scope="module")
def demo(category: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    pictures = TrainingPictures.find(category / "train" / "good")
    target = tmp_path_factory.mktemp("bundles") / "pill"
    return export(pictures, target, ExportSettings(backbone="filterbank"))


def hidden(category: Path) -> dict[str, str]:
    """The unnoticed defects that the category's own README names, by file name, in order."""
    lines = (category / "README.txt").read_text().splitlines()
    named = (line.split() for line in lines if line.startswith("train/good/"))
    return {Path(path).name: defect for path, defect in named}


def test_the_hidden_defects_are_the_most_suspect_pictures(category: Path, demo: Export) -> None:
    defects = hidden(category)
    assert sorted(defects.values()) == sorted(procedural_pill.DEFECTS)
    images = demo.contamination.images
    assert {image.path for image in images[: len(defects)]} == set(defects)
    assert all(image.suspicion > 1 for image in images[: len(defects)])
    assert demo.kept.mean() > 0.97  # little else is left out
    estimate = demo.contamination.estimate
    assert estimate.low <= len(defects) / len(images) <= estimate.high


def test_no_entry_of_the_bank_lies_on_a_hidden_defect(category: Path, demo: Export) -> None:
    bundle = read_bundle(demo.path)
    grid = bundle.manifest.grid
    for number, (name, defect) in enumerate(hidden(category).items()):
        generator = procedural_pill._generator(0, "unnoticed", number)
        picture, mask = procedural_pill.draw_pill(generator, defect)
        np.testing.assert_array_equal(picture, read_picture(category / "train" / "good" / name))
        crop = Preprocessing().apply(mask)[:, :, 0].reshape(grid.height, 8, grid.width, 8)
        share = crop.mean(axis=(1, 3)) / 255
        assert (share >= 0.5).any()
        owner, row, column = bundle.origins.T
        mine = demo.pictures[0].parent / name == np.array(demo.pictures)[owner]
        assert not (share[row[mine], column[mine]] >= 0.5).any()


def test_every_recorded_frame_is_decided_rightly(demo: Export, recordings: Path) -> None:
    inspector = Inspector.load(demo.path)
    for path in find_pictures(recordings / "pill"):
        decision = inspector.inspect(read_picture(path)).decision
        assert decision is (Decision.PASS if path.stem.endswith("good") else Decision.FAIL), path.name
