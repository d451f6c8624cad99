from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from softcore_benchmarks.protocol import cells
from softcore_benchmarks.protocol.cells import compute_cell
from softcore_benchmarks.protocol.experiments import Experiment
from softcore_benchmarks.protocol.methods import METHODS, Task
from softcore_runtime.errors import DataError, UsageError

from ..conftest import BAD, GOOD, TRAIN

NOISE = 0.2  # 3 of 6 defects


def test_defects_come_after_the_good_images(experiment: Experiment) -> None:
    train, drawn = experiment.add_noise(NOISE)
    assert len(train) == TRAIN + 3
    assert experiment.category.bad[drawn].all()
    np.testing.assert_array_equal(train.features[:TRAIN], experiment.train.features)
    np.testing.assert_array_equal(train.features[TRAIN:], experiment.test.features[drawn])
    np.testing.assert_array_equal(train.crops[TRAIN:], experiment.test.crops[drawn])
    assert train.resnet18 is train.features


def test_both_scenarios_are_tested_with_one_training(experiment: Experiment) -> None:
    cell = compute_cell(experiment, NOISE, "softcore-lof")
    assert (cell.trained_on, cell.defects, cell.tested_on) == (TRAIN + 3, 3, (GOOD, BAD))
    assert set(cell.figures) == {"SoftCore-lof, no weights", "SoftCore-lof"}
    train, drawn = experiment.add_noise(NOISE)
    scores = METHODS["softcore-lof"].fit(Task(train, experiment.settings, experiment.cflow))(experiment.test)
    bad, images = experiment.category.bad, scores["SoftCore-lof"].images
    left = np.setdiff1d(np.arange(len(bad)), drawn)
    figures = cell.figures["SoftCore-lof"]
    assert figures["overlap"].image_auroc == pytest.approx(roc_auc_score(bad, images))
    assert figures["no overlap"].image_auroc == pytest.approx(roc_auc_score(bad[left], images[left]))
    maps, masks = scores["SoftCore-lof"].draw_maps(), experiment.masks
    assert masks is not None
    expected = roc_auc_score(masks[left].ravel(), maps[left].ravel())
    assert figures["no overlap"].pixel_auroc == pytest.approx(expected)
    assert cell.fit_seconds > 0
    assert cell.score_seconds > 0
    assert cell.backbone_seconds > 0


def test_each_class_is_measured_against_all_good_images(experiment: Experiment) -> None:
    cell = compute_cell(experiment, NOISE, "softcore-lof")
    train, drawn = experiment.add_noise(NOISE)
    scores = METHODS["softcore-lof"].fit(Task(train, experiment.settings, experiment.cflow))(experiment.test)
    images = scores["SoftCore-lof"].images
    kinds = np.array([path.parent.name for path in experiment.category.test])
    for scenario, out in (("overlap", []), ("no overlap", drawn)):
        classes = cell.figures["SoftCore-lof"][scenario].classes
        assert list(classes) == ["hole", "spot"]
        for name, figure in classes.items():
            rows = np.setdiff1d(np.flatnonzero((kinds == "good") | (kinds == name)), out)
            assert figure.images == (kinds[rows] == name).sum()
            assert figure.image_auroc == pytest.approx(roc_auc_score(kinds[rows] == name, images[rows]))


def test_a_class_without_images_has_no_figure(experiment: Experiment) -> None:
    classes = compute_cell(experiment, BAD / TRAIN, "patchcore").figures["PatchCore"]["no overlap"].classes
    assert {name: (c.images, c.image_auroc) for name, c in classes.items()} == {
        "hole": (0, None),
        "spot": (0, None),
    }


def test_a_seed_draws_its_own_defects_and_coreset(experiment: Experiment) -> None:
    other = experiment.with_seed(3)
    assert set(other.add_noise(NOISE)[1]) != set(experiment.add_noise(NOISE)[1])
    assert (other.settings.seed, other.described["seed"]) == (3, "3")
    first, second = (compute_cell(one, NOISE, "patchcore") for one in (experiment, other))
    assert (first.seed, second.seed) == (0, 3)
    assert cells.find_cell([first, second], other, NOISE, "patchcore") == second
    assert cells.find_cell([first], other, NOISE, "patchcore") is None


def test_without_noise_both_scenarios_are_one(experiment: Experiment) -> None:
    figures = compute_cell(experiment, 0, "patchcore").figures["PatchCore"]
    assert figures["overlap"] == figures["no overlap"]


def test_without_masks_there_are_no_pixel_figures(experiment: Experiment) -> None:
    figures = compute_cell(replace(experiment, masks=None), NOISE, "patchcore").figures["PatchCore"][
        "overlap"
    ]
    assert figures.image_auroc is not None
    assert figures.pixel_auroc is None
    assert figures.aupro is None


def test_with_all_defects_in_training_nothing_is_left_without_overlap(experiment: Experiment) -> None:
    noise = BAD / TRAIN
    assert cells.enough_defects(experiment, noise)
    figures = compute_cell(experiment, noise, "patchcore").figures["PatchCore"]
    assert figures["no overlap"].image_auroc is None
    assert figures["overlap"].image_auroc is not None
    assert not cells.enough_defects(experiment, 0.5)
    with pytest.raises(DataError, match="not enough defects: 7 wanted, 6 there"):
        compute_cell(experiment, 0.5, "patchcore")


def test_a_cell_is_kept_and_found(experiment: Experiment, tmp_path: Path) -> None:
    cell = compute_cell(experiment, NOISE, "patchcore")
    assert cells.read_cells(tmp_path) == []
    cells.append_cell(tmp_path / "results", cell)
    cells.append_cell(tmp_path / "results", cell.model_copy(update={"noise": 0.4}))
    kept = cells.read_cells(tmp_path / "results")
    assert len(kept) == 2
    assert cells.find_cell(kept, experiment, NOISE, "patchcore") == cell
    assert cells.find_cell(kept, experiment, 0.1, "patchcore") is None
    assert cells.find_cell(kept, experiment, NOISE, "padim") is None


def test_a_cell_of_other_settings_is_never_taken_for_ours(experiment: Experiment) -> None:
    kept = [compute_cell(experiment, NOISE, "patchcore")]
    other = replace(experiment, described={"backbone": "another"})
    with pytest.raises(UsageError, match="computed with backbone random, now it is another; choose another"):
        cells.find_cell(kept, other, NOISE, "patchcore")
    with pytest.raises(UsageError, match=r"noise 0\.2, patchcore: was computed with backbone random"):
        cells.find_cell(kept, other, NOISE, "padim")  # it would stand beside the other's


def test_the_last_cell_of_a_key_counts(experiment: Experiment, tmp_path: Path) -> None:
    first = compute_cell(experiment, NOISE, "patchcore")
    second, other = (
        first.model_copy(update=update) for update in ({"fit_seconds": 99.0}, {"method": "padim"})
    )
    for cell in (first, other, second):
        cells.append_cell(tmp_path, cell)
    assert cells.read_cells(tmp_path) == [second, other]
    cells.write_cells(tmp_path, [second, other])
    assert len((tmp_path / cells.FILE).read_text().splitlines()) == 2
    assert cells.read_cells(tmp_path) == [second, other]


def test_a_cell_of_an_earlier_version_is_read(experiment: Experiment, tmp_path: Path) -> None:
    cell = compute_cell(experiment, NOISE, "patchcore")
    without = {"seed": True, "figures": {"PatchCore": {"__all__": {"classes": True}}}}
    (tmp_path / cells.FILE).write_text(cell.model_dump_json(exclude=without) + "\n")  # type: ignore[arg-type]
    (earlier,) = cells.read_cells(tmp_path)
    assert (earlier.key, earlier.figures["PatchCore"]["overlap"].classes) == (cell.key, {})


def test_a_line_cut_off_by_a_crash_is_passed_over(experiment: Experiment, tmp_path: Path) -> None:
    cell = compute_cell(experiment, NOISE, "patchcore")
    cells.append_cell(tmp_path, cell)
    with (tmp_path / cells.FILE).open("a") as stream:
        stream.write(cell.model_dump_json()[:100])
    assert cells.read_cells(tmp_path) == [cell]
    other = cell.model_copy(update={"noise": 0.4})
    cells.append_cell(tmp_path, other)
    assert cells.read_cells(tmp_path) == [cell, other]


def test_a_damaged_line_is_named(experiment: Experiment, tmp_path: Path) -> None:
    cells.append_cell(tmp_path, compute_cell(experiment, NOISE, "patchcore"))
    with (tmp_path / cells.FILE).open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(DataError, match=r"cells\.jsonl, line 2: not a cell"):
        cells.read_cells(tmp_path)
