from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnxruntime
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import LocalOutlierFactor
from softcore_export import export as export_module
from softcore_export import index, onnx_file
from softcore_export.choices import Choice, Choices, read_choices
from softcore_export.contamination import read_contamination
from softcore_export.dataset import TrainingPictures
from softcore_export.export import Export, export
from softcore_export.settings import ExportSettings
from softcore_runtime import Decision, Inspector, UsageError, bundle, read_bundle
from softcore_runtime.errors import DataError, ExportError, SelfTestError

Snapshot = Callable[[Path], dict[str, bytes]]
Draw = Callable[..., np.ndarray]
FILES = {
    "backbone.onnx", "bank.npy", "choices.json", "contamination.json", "golden", "golden/plain.png",
    "golden/scores.json", "golden/spoiled.png", "golden/typical.png", "index.hnsw", "manifest.json",
    "origins.npy", "report.html", "weights.npy",
}  # fmt: skip


def compute_features(path: Path, frames: list[np.ndarray]) -> np.ndarray:
    """Features `[N, P, d]` by OpenCV and ONNX Runtime alone: frames of 80 x 80 to 72, the middle 64."""
    session = onnxruntime.InferenceSession(str(path / "backbone.onnx"), providers=["CPUExecutionProvider"])
    crops = [cv2.resize(frame, (72, 72), interpolation=cv2.INTER_AREA)[4:68, 4:68] for frame in frames]
    return np.concatenate([session.run(None, {"crops": crop[None]})[0] for crop in crops])


def read_frames(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(path)) for path in sorted(folder.iterdir())]


def learn(root: Path, target: Path, settings: ExportSettings) -> Export:
    return export(TrainingPictures.find(root / "disc"), target, settings)


def test_nothing_is_left_but_the_bundle(exported: Export, snapshot: Snapshot) -> None:
    assert [path.name for path in exported.path.parent.iterdir()] == ["disc"]
    assert set(snapshot(exported.path)) == FILES
    listed = {name for name in FILES if name not in ("golden", "manifest.json")}
    assert set(exported.manifest.files) == listed


def test_the_same_seed_gives_the_same_bytes(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    """A second export, network and all."""
    again = learn(discs, tmp_path / "disc", small)
    for name in ("bank.npy", "weights.npy", "origins.npy", "index.hnsw", "golden/scores.json"):
        assert (exported.path / name).read_bytes() == (again.path / name).read_bytes(), name
    assert again.manifest.threshold == exported.manifest.threshold
    assert again.contamination == exported.contamination


@pytest.mark.usefixtures("quick_network")
def test_another_seed_gives_another_bank(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    other = learn(discs, tmp_path / "disc", small.model_copy(update={"seed": 1}))
    assert (exported.path / "bank.npy").read_bytes() != (other.path / "bank.npy").read_bytes()
    assert other.manifest.bank.seed == 1


def test_the_manifest_says_what_was_done(exported: Export, discs: Path) -> None:
    manifest = read_bundle(exported.path).manifest
    assert manifest == exported.manifest
    assert manifest.category == "disc"
    assert (manifest.grid.height, manifest.grid.width) == (8, 8)
    assert (manifest.bank.n, manifest.bank.k, manifest.bank.tau) == (round(0.1 * 12 * 64), 6, 0.15)
    assert manifest.bank.weight_max == np.load(exported.path / "weights.npy").max()
    assert (manifest.dataset.pictures, manifest.dataset.skipped) == (12, 0)
    assert manifest.backbone.weights_sha256 is None
    assert manifest.threshold.provisional
    assert manifest.index.recall >= 0.99
    assert manifest.parity.frames == 4
    assert exported.pictures == sorted((discs / "disc").iterdir())
    stages = ["backbone", "features", "suspicion", "memory bank", "index", "threshold", "bundle", "report"]
    assert list(exported.seconds) == stages


def test_a_reloaded_bundle_repeats_its_golden_scores_bit_for_bit(exported: Export) -> None:
    inspector = Inspector.load(exported.path, self_test=False)
    golden = json.loads((exported.path / "golden" / "scores.json").read_text())
    assert [entry["file"] for entry in golden] == ["plain.png", "spoiled.png", "typical.png"]
    decisions = []
    for entry in golden:
        inspection = inspector.inspect(cv2.imread(str(exported.path / "golden" / entry["file"])))
        assert inspection.score == entry["score"]
        decisions.append(inspection.decision)
    assert decisions == [Decision.PASS, Decision.FAIL, Decision.PASS]


def test_weights_and_entries_are_scikit_learns(exported: Export, discs: Path) -> None:
    """Section 4 of the design anew, from the pictures and `backbone.onnx` alone."""
    features = compute_features(exported.path, read_frames(discs / "disc"))
    n, positions, _ = features.shape
    factors = np.empty((n, positions))
    for position in range(positions):
        judge = LocalOutlierFactor(n_neighbors=6).fit(features[:, position].astype(float))
        factors[:, position] = -judge.negative_outlier_factor_

    learned = read_bundle(exported.path)
    picture, row, column = learned.origins.T
    position = 8 * row + column
    np.testing.assert_allclose(learned.bank, features[picture, position], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(learned.weights, factors[picture, position], rtol=1e-4)
    excluded = np.sort(factors, axis=None)[-int(0.15 * n * positions) :]
    assert factors[picture, position].max() < excluded.min()

    # The limit: leave one picture out, the most suspect aside (int(0.15 * 12) = 1).
    scores = []
    for i in range(n):
        others = picture != i
        apart = cdist(features[i].astype(float), learned.bank[others].astype(float))
        scores.append((learned.weights[others][apart.argmin(1)] * apart.min(1)).max())
    np.testing.assert_allclose(exported.scores, scores, rtol=1e-4)
    suspect = 5  # the one with the defect
    assert learned.manifest.threshold.value == pytest.approx(np.delete(scores, suspect).max(), rel=1e-4)


def test_scores_of_new_frames_are_those_of_brute_force(exported: Export, draw_disc: Draw) -> None:
    frames = [draw_disc(100 + number, spot=number % 2 == 1) for number in range(6)]
    features = compute_features(exported.path, frames)
    learned = read_bundle(exported.path)
    inspector = Inspector.load(exported.path)
    limit = learned.manifest.threshold.value
    above = 0
    for number, (frame, patches) in enumerate(zip(frames, features, strict=True)):
        apart = cdist(patches.astype(float), learned.bank.astype(float))
        scores = (learned.weights[apart.argmin(1)] * apart.min(1)).reshape(8, 8)
        inspection = inspector.inspect(frame)
        assert inspection.decision is (Decision.FAIL if scores.max() > limit else Decision.PASS)
        exact = scores > limit
        above += exact.sum()
        np.testing.assert_allclose(inspection.patch_scores[exact], scores[exact], rtol=1e-4)
        # Below the limit the index's answer will do, and it is nearly always the nearest.
        assert np.isclose(inspection.patch_scores, scores, rtol=1e-4).mean() > 0.95
        if number % 2:
            assert inspection.decision is Decision.FAIL
            assert inspection.score == pytest.approx(scores.max(), rel=1e-4)
    assert above >= 3


def test_the_picture_with_the_defect_is_the_most_suspect(exported: Export) -> None:
    images = exported.contamination.images
    assert images[0].path == "05.png"
    assert images[0].suspicion > 1 >= images[1].suspicion
    assert [image.suspicion for image in images] == sorted((i.suspicion for i in images), reverse=True)
    for image in images:
        path = exported.pictures[0].parent / image.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == image.sha256
        mine = exported.kept[exported.pictures.index(path)]
        assert image.decision == ("kept" if mine.all() else "patches excluded")
    assert read_contamination(exported.path) == exported.contamination
    assert 0 < exported.contamination.estimate.value < 0.3
    origins = np.load(exported.path / "origins.npy")
    mine = origins[origins[:, 0] == 5]
    # The spot at (50, 34) of 80 lies in rows 2 to 4, columns 4 to 6 of the grid; its middle is excluded.
    assert (3, 5) not in {(int(row), int(column)) for _, row, column in mine}


@pytest.mark.usefixtures("quick_network")
def test_patchcore_weighs_nothing(discs: Path, small: ExportSettings, tmp_path: Path) -> None:
    done = learn(discs, tmp_path / "disc", small.model_copy(update={"discriminator": "none"}))
    assert (np.load(done.path / "weights.npy") == 1).all()
    assert done.kept.all()
    assert done.contamination.images[0].path == "05.png"  # told all the same
    assert done.manifest.bank.discriminator == "none"


@pytest.mark.usefixtures("quick_network")
def test_unreadable_pictures_are_counted(own_discs: Path, small: ExportSettings, tmp_path: Path) -> None:
    (own_discs / "disc" / "03a.png").write_text("this is no picture")
    done = learn(own_discs, tmp_path / "disc", small)
    assert (done.manifest.dataset.pictures, done.manifest.dataset.skipped) == (12, 1)
    assert "03a.png" in done.skipped[0]
    assert len(done.pictures) == len(done.scores) == 12


@pytest.mark.usefixtures("quick_network")
def test_by_default_the_defect_stays_out_and_little_else(
    discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    done = learn(discs, tmp_path / "disc", small.model_copy(update={"discriminator": "auto"}))
    assert not done.kept[5].all()
    assert np.delete(done.kept, 5, axis=0).all()
    assert done.manifest.bank.discriminator == "auto"
    assert done.manifest.threshold.value == pytest.approx(np.delete(done.scores, 5).max(), rel=1e-6)


@pytest.mark.usefixtures("quick_network")
def test_choices_are_heard_and_kept(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    sha = {image.path: image.sha256 for image in exported.contamination.images}
    choices = Choices(
        pictures={
            sha["05.png"]: Choice(action="keep"),
            sha["02.png"]: Choice(action="exclude"),
            sha["03.png"]: Choice(action="exclude patches", grid=(8, 8), patches=((1, 2), (7, 0))),
        }
    )
    done = export(TrainingPictures.find(discs / "disc"), tmp_path / "disc", small, choices)
    assert done.kept[5].all()
    assert not done.kept[2].any()
    assert np.flatnonzero(~done.kept[3]).tolist() == [8 + 2, 56]
    assert not (np.load(done.path / "origins.npy")[:, 0] == 2).any()
    decisions = {image.path: image.decision for image in done.contamination.images}
    assert decisions["05.png"] == "kept"
    assert decisions["02.png"] == "picture excluded"
    assert decisions["03.png"] == "patches excluded"
    assert read_choices(done.path / "choices.json") == choices
    # Whom a person keeps may set the limit, whom they exclude may not.
    trusted = [row for row in range(12) if row not in (2, 3)]
    assert done.manifest.threshold.value == pytest.approx(done.scores[trusted].max(), rel=1e-6)


@pytest.mark.usefixtures("quick_network")
def test_without_any_picture_left_nothing_is_written(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    choices = Choices(pictures={i.sha256: Choice(action="exclude") for i in exported.contamination.images})
    with pytest.raises(DataError, match="every training picture was excluded"):
        export(TrainingPictures.find(discs / "disc"), tmp_path / "new" / "disc", small, choices)
    assert not (tmp_path / "new").exists()


def _spoil_parity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(onnx_file, "PARITY_LIMIT", -1.0)


def _spoil_recall(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(index, "LEAST_RECALL", 1.01)


def _spoil_self_test(patch: pytest.MonkeyPatch) -> None:
    write = bundle.write_golden

    def write_other_scores(path: Path, frames: dict[str, np.ndarray], scores: dict[str, float]) -> None:
        write(path, frames, {name: 1.1 * score for name, score in scores.items()})

    patch.setattr(bundle, "write_golden", write_other_scores)


@pytest.mark.usefixtures("quick_network")
@pytest.mark.parametrize(
    ("spoil", "error"),
    [(_spoil_parity, ExportError), (_spoil_recall, ExportError), (_spoil_self_test, SelfTestError)],
)
def test_a_failed_gate_leaves_the_old_bundle(
    monkeypatch: pytest.MonkeyPatch,
    discs: Path,
    small: ExportSettings,
    bundles: Path,
    snapshot: Snapshot,
    spoil: Callable[[pytest.MonkeyPatch], None],
    error: type[Exception],
) -> None:
    before = snapshot(bundles)
    spoil(monkeypatch)
    with pytest.raises(error):
        learn(discs, bundles / "disc", small)
    assert snapshot(bundles) == before


STAGES = [
    "load_backbone", "write_onnx", "extract", "check_parity", "judge", "fit", "build_index",
    "leave_one_out_scores", "provisional_threshold", "choose_golden", "Manifest", "write_report",
]  # fmt: skip


@pytest.mark.usefixtures("quick_network")
@pytest.mark.parametrize("stage", STAGES)
def test_an_interruption_at_any_stage_leaves_the_old_bundle(
    monkeypatch: pytest.MonkeyPatch,
    discs: Path,
    small: ExportSettings,
    bundles: Path,
    snapshot: Snapshot,
    stage: str,
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        assert any(path.name.endswith(".partial") for path in bundles.iterdir())
        raise KeyboardInterrupt

    before = snapshot(bundles)
    monkeypatch.setattr(export_module, stage, interrupt)
    with pytest.raises(KeyboardInterrupt):
        learn(discs, bundles / "disc", small)
    assert snapshot(bundles) == before


@pytest.mark.usefixtures("quick_network")
def test_an_old_bundle_is_replaced(
    discs: Path, small: ExportSettings, bundles: Path, snapshot: Snapshot
) -> None:
    (bundles / "disc" / "left over").touch()
    done = learn(discs, bundles / "disc", small.model_copy(update={"coreset_ratio": 0.05}))
    assert [path.name for path in bundles.iterdir()] == ["disc"]
    assert set(snapshot(bundles / "disc")) == FILES
    assert read_bundle(bundles / "disc").manifest.bank.n == done.manifest.bank.n == round(0.05 * 12 * 64)


@pytest.mark.usefixtures("quick_network")
def test_pictures_that_vanish_leave_nothing(own_discs: Path, small: ExportSettings, tmp_path: Path) -> None:
    pictures = TrainingPictures.find(own_discs / "disc")
    shutil.rmtree(own_discs / "disc")
    with pytest.raises(DataError, match="no picture could be read"):
        export(pictures, tmp_path / "new" / "disc", small)
    assert not (tmp_path / "new").exists()


def test_a_missing_device_is_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    monkeypatch.setattr(export_module.torch, "cuda", SimpleNamespace(is_available=lambda: False))
    with pytest.raises(UsageError, match="--device cuda: torch finds no CUDA device"):
        learn(discs, tmp_path / "new" / "disc", small.model_copy(update={"device": "cuda"}))
    assert not (tmp_path / "new").exists()
