from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from softcore_export import preparation
from softcore_export.acceptance import precision
from softcore_export.acceptance.agreement import AgreementError, ImageScores, check_agreement
from softcore_export.acceptance.golden_frames import CLEAR
from softcore_export.backbone import onnx_file
from softcore_export.backbone.backbone import reduce_dimensions
from softcore_export.contamination.choices import Choice, Choices, read_choices
from softcore_export.contamination.contamination import FILE as CONTAMINATION
from softcore_export.contamination.contamination import Contamination
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, build, export, prepare
from softcore_export.memory_bank import index
from softcore_export.settings import ExportSettings
from softcore_runtime import Decision, Inspector, UsageError, read_bundle, read_image
from softcore_runtime.backends.openvino import computes_in_bf16
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle.manifest import Agreement
from softcore_runtime.bundle.training import draw_thumbnail, measure_image_statistics, read_training
from softcore_runtime.errors import DataError, ExportError, SelfTestError
from torch import nn

Snapshot = Callable[[Path], dict[str, bytes]]
Draw = Callable[..., np.ndarray]
FILES = {
    "backbone.onnx", "bank.npy", "choices.json", "contamination.json", "floors.npy", "golden",
    "golden/plain.png", "golden/scores.json", "golden/spoiled.png", "golden/typical.png", "hints.npy",
    "index.hnsw", "manifest.json", "origins.npy", "report.html", "training", "training/looks.npy",
    "training/scores.npy", "training/thumbnails.npy", "weights.npy",
}  # fmt: skip


def compute_features(path: Path, frames: list[np.ndarray]) -> np.ndarray:
    """Features `[N, P, d]` by OpenCV and ONNX Runtime alone: frames of 80 x 80 to 72, the middle 64."""
    session = onnxruntime.InferenceSession(str(path / "backbone.onnx"), providers=["CPUExecutionProvider"])
    crops = [cv2.resize(frame, (72, 72), interpolation=cv2.INTER_AREA)[4:68, 4:68] for frame in frames]
    return np.concatenate([session.run(None, {"crops": crop[None]})[0] for crop in crops])


def read_frames(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(path)) for path in sorted(folder.iterdir())]


def measure_floors(
    features: np.ndarray, origins: np.ndarray, kept: np.ndarray, vouching: np.ndarray, evidence: float = 0
) -> np.ndarray:
    """Each entry's distance to the nearest other image, or towards the third, by scipy: float64 `[n]`.

    The grid is 8 x 8.

    Args:
        features: `[N, 64, d]`.
        origins: `[n, 3]`.
        kept: `[N, 64]`, which patches vouch.
        vouching: the images that vouch.
        evidence: 0 for the nearest, 1 for the third.
    """
    row, column = np.divmod(np.arange(64), 8)
    found = np.empty(len(origins))
    for m, (image, at_row, at_column) in enumerate(origins.tolist()):
        around = (abs(row - at_row) <= 2) & (abs(column - at_column) <= 2)
        apart = cdist([features[image, 8 * at_row + at_column]], features.reshape(-1, features.shape[2]))
        apart = np.where(kept & around, apart.reshape(kept.shape), np.inf).min(axis=1)
        ordered = np.sort(apart[vouching[vouching != image]])
        found[m] = ordered[0] ** (1 - evidence) * ordered[2] ** evidence
    return found


def learn(root: Path, target: Path, settings: ExportSettings) -> Export:
    return export(TrainingImages.find(root / "disc"), target, settings)


def test_nothing_is_left_but_the_bundle(exported: Export, snapshot: Snapshot) -> None:
    assert [path.name for path in exported.path.parent.iterdir()] == ["disc"]
    assert set(snapshot(exported.path)) == FILES
    listed = {name for name in FILES if name not in ("golden", "training", "manifest.json")}
    assert set(exported.manifest.files) == listed


def test_the_same_seed_gives_the_same_bytes(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    """A second export, network and all."""
    again = learn(discs, tmp_path / "disc", small)
    names = (
        *("bank.npy", "weights.npy", "floors.npy", "origins.npy", "hints.npy", "index.hnsw"),
        *("golden/scores.json", "training/scores.npy", "training/thumbnails.npy", "training/looks.npy"),
    )
    for name in names:
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
    assert manifest.bank.floor == 0  # the paper has none
    assert not np.load(exported.path / "floors.npy").any()
    assert (manifest.dataset.images, manifest.dataset.skipped) == (12, 0)
    assert manifest.backbone.weights_sha256 is None
    assert manifest.threshold.provisional
    assert manifest.index.recall >= 0.99
    assert manifest.parity.frames == 4
    assert exported.images == sorted((discs / "disc").iterdir())
    assert (manifest.backbone.engine, manifest.backbone.precision) == ("onnxruntime", "fp32")
    assert manifest.tools["onnxruntime"] == onnxruntime.__version__
    assert "openvino" not in manifest.tools
    assert manifest.agreement is None  # there is nothing else to agree with
    assert list(exported.seconds) == [
        "backbone", "features", "suspicion", "memory bank", "index", "threshold", "hints", "bundle", "report",
    ]  # fmt: skip


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
    assert exported.manifest.golden_note is None
    assert golden[1]["score"] > CLEAR * exported.manifest.threshold.value


def test_weights_and_entries_are_scikit_learns(exported: Export, discs: Path) -> None:
    """The paper's method anew, from the images and `backbone.onnx` alone."""
    features = compute_features(exported.path, read_frames(discs / "disc"))
    n, positions, _ = features.shape
    factors = np.empty((n, positions))
    for position in range(positions):
        oracle = LocalOutlierFactor(n_neighbors=6).fit(features[:, position].astype(float))
        factors[:, position] = -oracle.negative_outlier_factor_

    learned = read_bundle(exported.path)
    image, row, column = learned.origins.T
    position = 8 * row + column
    np.testing.assert_allclose(learned.bank, features[image, position], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(learned.weights, factors[image, position], rtol=1e-4)
    excluded = np.sort(factors, axis=None)[-int(0.15 * n * positions) :]
    assert factors[image, position].max() < excluded.min()

    # The threshold: leave one image out, the most suspect aside (int(0.15 * 12) = 1).
    scores = []
    for i in range(n):
        others = image != i
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
    threshold = learned.manifest.threshold.value
    above = 0
    for number, (frame, patches) in enumerate(zip(frames, features, strict=True)):
        apart = cdist(patches.astype(float), learned.bank.astype(float))
        scores = (learned.weights[apart.argmin(1)] * apart.min(1)).reshape(8, 8)
        inspection = inspector.inspect(frame)
        assert inspection.decision is (Decision.FAIL if scores.max() > threshold else Decision.PASS)
        exact = scores > threshold
        above += exact.sum()
        np.testing.assert_allclose(inspection.patch_scores[exact], scores[exact], rtol=1e-4)
        # Below the threshold any entry will do that proves it; it is mostly the nearest.
        assert (inspection.patch_scores[~exact] <= threshold).all()
        shortest = learned.weights.min() * apart.min(1).reshape(8, 8)
        assert (inspection.patch_scores >= shortest * (1 - 1e-4)).all()
        assert np.isclose(inspection.patch_scores, scores, rtol=1e-4).mean() > 0.7
        assert inspection.score == pytest.approx(scores.max(), rel=1e-4)
        if number % 2:
            assert inspection.decision is Decision.FAIL
    assert above >= 3


def test_hints_are_entries_that_serve_good_parts(exported: Export, discs: Path, draw_disc: Draw) -> None:
    """The most frequent nearest entries of the kept patches, by scipy; and new good parts need no other."""
    features = compute_features(exported.path, read_frames(discs / "disc"))
    learned = read_bundle(exported.path)
    count = learned.manifest.hints.count
    assert learned.hints.shape == (64, count)
    image = learned.origins[:, 0]
    for position in range(64):
        served: Counter[int] = Counter()
        for i in np.flatnonzero(exported.kept[:, position]):
            apart = cdist([features[i, position].astype(float)], learned.bank.astype(float))[0]
            served[int(np.where(image == i, np.inf, apart).argmin())] += 1
        names = sorted(served, key=lambda entry: (-served[entry], entry))
        assert learned.hints[position].tolist() == [names[i % len(names)] for i in range(count)]

    inspector = Inspector.load(exported.path, self_test=False)
    for seed in range(200, 204):
        result = inspector.decide(draw_disc(seed), camera=seed)  # which has seen no frame before
        assert result.decision is Decision.PASS
        assert result.certified_by_hint > 32


def test_deciding_is_inspecting(exported: Export, draw_disc: Draw) -> None:
    fast, thorough = (Inspector.load(exported.path, self_test=False) for _ in range(2))
    decisions = []
    for seed in range(300, 320):
        frame = draw_disc(seed, spot=seed % 3 == 0)
        result, inspection = fast.decide(frame), thorough.inspect(frame)
        assert result.decision is inspection.decision
        assert result.score >= inspection.score if result.decision is Decision.PASS else True
        decisions.append(result.decision)
    assert set(decisions) == {Decision.PASS, Decision.FAIL}


@pytest.mark.usefixtures("quick_network")
def test_a_faster_network_is_compared_with_the_plain_one(
    discs: Path,
    small: ExportSettings,
    tmp_path: Path,
    labelled_discs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In 100 dimensions: the agreement anew, from the bundle, the images and the plain network's file."""
    compared: list[ImageScores] = []

    def check_and_keep(*arguments: Any) -> Agreement:
        compared.extend(arguments[:2])
        return check_agreement(*arguments)

    monkeypatch.setattr(precision, "check_agreement", check_and_keep)
    labelled = Path(shutil.copytree(labelled_discs, tmp_path / "labelled"))
    (labelled / "spot" / "damaged.png").write_text("no image")
    (labelled / "Ground_Truth").mkdir()  # masks are no defective images
    assert cv2.imwrite(str(labelled / "Ground_Truth" / "0_mask.png"), np.zeros((80, 80), np.uint8))
    settings = small.model_copy(
        update={"dimensions": 100, "labelled": labelled, "max_loss": 1.0, "soft_weights": False, "floor": 2.0}
    )
    plain_files = []
    with prepare(TrainingImages.find(discs / "disc"), tmp_path / "disc", settings) as prepared:
        plain_files.append((prepared.network.file.parent / "plain.onnx").read_bytes())
        done = build(prepared, tmp_path / "disc", Choices())
    assert done.manifest.bank.dim == 100
    assert not (done.path / "plain.onnx").exists()
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "backbone.onnx").write_bytes(plain_files[0])
    agreement = done.manifest.agreement
    assert agreement is not None
    assert agreement.held_back == 12  # all there are

    origins = np.load(done.path / "origins.npy")
    trusted = np.arange(12) != 5  # the most suspect
    bad = sorted((labelled_discs / "spot").iterdir())
    good = sorted((labelled_discs / "good").iterdir())
    others = [cv2.imread(str(path)) for path in [*good, *bad]]
    decisions, areas = [], []
    for path, found in zip((done.path, tmp_path / "plain"), compared, strict=True):
        features = compute_features(path, read_frames(discs / "disc")).astype(float)
        bank = features[origins[:, 0], 8 * origins[:, 1] + origins[:, 2]]
        scores = np.empty(12)
        for i in range(12):
            floors = 2 * measure_floors(features, origins, done.kept, np.delete(np.arange(12), i))
            apart = np.maximum(cdist(features[i], bank), floors)[:, origins[:, 0] != i]
            scores[i] = apart.min(axis=1).max()
        halves = [scores[half::2][trusted[half::2]].max() for half in (0, 1)]
        decisions.append([scores[i] > halves[1 - i % 2] for i in range(12)])
        floors = 2 * measure_floors(features, origins, done.kept, np.arange(12))
        labels = [
            np.maximum(cdist(patches, bank), floors).min(axis=1).max()
            for patches in compute_features(path, others).astype(float)
        ]
        np.testing.assert_allclose(found.held_back, scores, rtol=1e-4)
        np.testing.assert_allclose(found.labelled, labels, rtol=1e-4)
        areas.append(roc_auc_score([False] * len(good) + [True] * len(bad), labels))
    assert agreement.flipped == sum(one != other for one, other in zip(*decisions, strict=True))
    assert agreement.labelled == len(others)
    (warned,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warned.startswith(
        f"warning: a labelled image could not be read and is left out: {labelled / 'spot' / 'damaged.png'}: "
    )
    assert (agreement.auroc, agreement.auroc_fp32) == (
        pytest.approx(areas[0], abs=1e-9), pytest.approx(areas[1], abs=1e-9),
    )  # fmt: skip
    assert "agreement" in done.seconds


@pytest.mark.skipif(not computes_in_bf16(), reason="needs a CPU with BF16")
@pytest.mark.usefixtures("quick_network")
def test_by_default_it_is_the_fastest_that_this_machine_has(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    done = learn(discs, tmp_path / "disc", small.model_copy(update={"engine": "auto", "precision": "auto"}))
    manifest = done.manifest
    assert (manifest.backbone.engine, manifest.backbone.precision) == ("openvino", "bf16")
    assert manifest.tools["openvino"]
    assert "onnxruntime" not in manifest.tools
    assert manifest.agreement is not None
    assert (manifest.agreement.held_back, manifest.agreement.labelled) == (12, 0)
    assert manifest.agreement.auroc is None
    inspector = Inspector.load(done.path)
    assert inspector.remark is None
    assert inspector.golden.check() == 0  # the very same libraries
    assert manifest.threshold.value == pytest.approx(exported.manifest.threshold.value, rel=0.05)
    # What was learned is what ships, not the plain network beside it.
    crops = [
        cv2.resize(frame, (72, 72), interpolation=cv2.INTER_AREA)[None, 4:68, 4:68]
        for frame in read_frames(discs / "disc")
    ]
    features = np.concatenate([inspector.backbone.features(crop) for crop in crops])
    image, row, column = inspector.bundle.origins.T
    np.testing.assert_array_equal(inspector.bundle.bank, features[image, 8 * row + column])
    in_fp32 = compute_features(done.path, read_frames(discs / "disc"))[image, 8 * row + column]
    assert np.abs(inspector.bundle.bank - in_fp32).max() > 1e-4 * np.abs(in_fp32).max()
    # And where the line has no such engine, it says so and serves all the same.
    elsewhere = Inspector.load(done.path, engine="onnxruntime")
    assert "learned with openvino in bf16" in (elsewhere.remark or "")


@pytest.mark.usefixtures("quick_network")
@pytest.mark.parametrize(
    ("changes", "ships"),
    [
        pytest.param(
            {"engine": "openvino", "precision": "auto"}, True,
            marks=pytest.mark.skipif(not computes_in_bf16(), reason="needs a CPU with BF16"),
        ),
        pytest.param(
            {"engine": "openvino", "precision": "bf16"}, False,
            marks=pytest.mark.skipif(not computes_in_bf16(), reason="needs a CPU with BF16"),
        ),
        ({"precision": "auto", "dimensions": 16}, False),
    ],
    ids=str,
)  # fmt: skip
def test_what_was_not_asked_for_is_given_up_where_it_costs_too_much(
    monkeypatch: pytest.MonkeyPatch,
    discs: Path,
    small: ExportSettings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    ships: bool,
) -> None:
    """A precision that SoftCore chose itself; what a person wants is granted or refused."""

    def disagree(*_arguments: object) -> None:
        raise AgreementError("9 of 12 held-back images are decided otherwise; export with other options")

    monkeypatch.setattr(precision, "check_agreement", disagree)
    target = tmp_path / "new" / "disc"
    if ships:
        done = learn(discs, target, small.model_copy(update=changes))
        assert (done.manifest.backbone.engine, done.manifest.backbone.precision) == ("openvino", "fp32")
        assert done.manifest.agreement is None
        warned = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
        assert warned == [
            "warning: the bundle is in fp32, which is slower, and not in bf16: "
            "9 of 12 held-back images are decided otherwise"
        ]
        # And it is the very bundle that --precision fp32 gives.
        asked = learn(discs, tmp_path / "asked", small.model_copy(update={**changes, "precision": "fp32"}))
        same = {"category": done.manifest.category, "created": done.manifest.created, "files": {}}
        assert asked.manifest.model_copy(update=same) == done.manifest.model_copy(update={"files": {}})
        np.testing.assert_array_equal(np.load(asked.path / "bank.npy"), np.load(done.path / "bank.npy"))
        assert [path.name for path in target.parent.iterdir()] == ["disc"]
    else:
        with pytest.raises(AgreementError, match="9 of 12"):
            learn(discs, target, small.model_copy(update=changes))
        assert not target.parent.exists()


@pytest.mark.usefixtures("quick_network")
def test_a_network_that_has_gone_blind_is_not_shipped(
    monkeypatch: pytest.MonkeyPatch, discs: Path, small: ExportSettings, labelled_discs: Path, tmp_path: Path
) -> None:
    class Blind(nn.Module):
        """Sees what colour a corner has, and no defect."""

        def __init__(self, network: nn.Module, axes: torch.Tensor) -> None:
            super().__init__()
            self.network = reduce_dimensions(network, axes)

        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.network(0 * crops)
            return features + crops[:, :1, :1].reshape(-1, 1, 3).float().sum(dim=2, keepdim=True)

    monkeypatch.setattr("softcore_export.backbone.network.reduce_dimensions", Blind)
    settings = small.model_copy(
        update={"dimensions": 16, "discriminator": "none", "labelled": labelled_discs}
    )
    with pytest.raises(ExportError, match="; export with --precision fp32 and without --dimensions"):
        learn(discs, tmp_path / "new" / "disc", settings)
    assert not (tmp_path / "new").exists()


def test_the_image_with_the_defect_is_the_most_suspect(exported: Export) -> None:
    images = exported.contamination.images
    assert images[0].path == "05.png"
    assert images[0].suspicion > 1 >= images[1].suspicion
    assert [image.suspicion for image in images] == sorted((i.suspicion for i in images), reverse=True)
    for image in images:
        path = exported.images[0].parent / image.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == image.sha256
        mine = exported.kept[exported.images.index(path)]
        assert image.decision == ("kept" if mine.all() else "patches excluded")
    written = (exported.path / CONTAMINATION).read_bytes()
    assert Contamination.model_validate_json(written) == exported.contamination
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
def test_unreadable_images_are_counted(own_discs: Path, small: ExportSettings, tmp_path: Path) -> None:
    (own_discs / "disc" / "03a.png").write_text("this is no image")
    done = learn(own_discs, tmp_path / "disc", small)
    assert (done.manifest.dataset.images, done.manifest.dataset.skipped) == (12, 1)
    assert "03a.png" in done.skipped[0]
    assert len(done.images) == len(done.scores) == 12


@pytest.mark.usefixtures("quick_network")
def test_by_default_the_defect_stays_out_and_little_else(
    discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    done = learn(discs, tmp_path / "disc", small.model_copy(update={"discriminator": "auto"}))
    bank = done.manifest.bank
    assert 0 < bank.floor <= 2
    assert bank.evidence == 1  # one of twelve images is clearly defective
    assert (bank.soft_weights, bank.weight_max) == (False, 1)
    assert not done.kept[5].all()
    assert np.delete(done.kept, 5, axis=0).all()
    assert done.manifest.bank.discriminator == "auto"
    assert done.manifest.threshold.value == pytest.approx(np.delete(done.scores, 5).max(), rel=1e-6)
    # Floors and leave-one-out scores anew, from the images and `backbone.onnx` alone.
    features = compute_features(done.path, read_frames(discs / "disc")).astype(float)
    learned = read_bundle(done.path)
    everyone, image = np.arange(12), learned.origins[:, 0]
    floors = bank.floor * measure_floors(features, learned.origins, done.kept, everyone, bank.evidence)
    np.testing.assert_allclose(learned.floors, floors, rtol=1e-4)
    for i in everyone:
        others = np.delete(everyone, i)
        left = bank.floor * measure_floors(features, learned.origins, done.kept, others, bank.evidence)
        apart = np.maximum(cdist(features[i], learned.bank.astype(float)), left)[:, image != i]
        assert done.scores[i] == pytest.approx(apart.min(axis=1).max(), rel=1e-4)
    # And it ships: the learned defect itself doesn't pass, though its rim is in the bank.
    inspector = Inspector.load(done.path)
    for i, frame in enumerate(read_frames(discs / "disc")):
        apart = np.maximum(cdist(features[i], learned.bank.astype(float)), floors)
        assert inspector.inspect(frame).score == pytest.approx(apart.min(axis=1).max(), rel=1e-4)
        assert inspector.decide(frame).decision is (Decision.FAIL if i == 5 else Decision.PASS)


@pytest.mark.usefixtures("quick_network")
def test_choices_are_heard_and_kept(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    sha = {image.path: image.sha256 for image in exported.contamination.images}
    choices = Choices(
        images={
            sha["05.png"]: Choice(action="keep"),
            sha["02.png"]: Choice(action="exclude"),
            sha["03.png"]: Choice(action="exclude patches", grid=(8, 8), patches=((1, 2), (7, 0))),
        }
    )
    done = export(TrainingImages.find(discs / "disc"), tmp_path / "disc", small, choices)
    assert done.kept[5].all()
    assert not done.kept[2].any()
    assert np.flatnonzero(~done.kept[3]).tolist() == [8 + 2, 56]
    assert not (np.load(done.path / "origins.npy")[:, 0] == 2).any()
    decisions = {image.path: image.decision for image in done.contamination.images}
    assert decisions["05.png"] == "kept"
    assert decisions["02.png"] == "picture excluded"
    assert decisions["03.png"] == "patches excluded"
    assert read_choices(done.path / "choices.json") == choices
    # Whom a person keeps may set the threshold, whom they exclude may not.
    trusted = [row for row in range(12) if row not in (2, 3)]
    assert done.manifest.threshold.value == pytest.approx(done.scores[trusted].max(), rel=1e-6)


@pytest.mark.usefixtures("quick_network")
def test_without_any_image_left_nothing_is_written(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    choices = Choices(images={i.sha256: Choice(action="exclude") for i in exported.contamination.images})
    with pytest.raises(DataError, match="every training image was excluded"):
        export(TrainingImages.find(discs / "disc"), tmp_path / "new" / "disc", small, choices)
    assert not (tmp_path / "new").exists()


def _spoil_parity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(onnx_file, "PARITY_TOLERANCE", -1.0)


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
    "resolution.opened_network.load_backbone", "backbone.network.write_onnx", "backbone.network.check_parity",
    "data.features.compute_features", "preparation.estimate_contamination", "export.fit",
    "export.build_index", "export.leave_one_out",
    "export.provisional_threshold", "export.learn_hints", "bundle_writer.Manifest",
    "bundle_writer.choose_golden", "export.write_report",
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
    monkeypatch.setattr(f"softcore_export.{stage}", interrupt)
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
def test_images_that_vanish_leave_nothing(own_discs: Path, small: ExportSettings, tmp_path: Path) -> None:
    images = TrainingImages.find(own_discs / "disc")
    shutil.rmtree(own_discs / "disc")
    with pytest.raises(DataError, match="no image could be read"):
        export(images, tmp_path / "new" / "disc", small)
    assert not (tmp_path / "new").exists()


def test_a_missing_device_is_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, discs: Path, small: ExportSettings, tmp_path: Path
) -> None:
    monkeypatch.setattr(preparation.torch, "cuda", SimpleNamespace(is_available=lambda: False))
    with pytest.raises(UsageError, match="--device cuda: torch finds no CUDA device"):
        learn(discs, tmp_path / "new" / "disc", small.model_copy(update={"device": "cuda"}))
    assert not (tmp_path / "new").exists()


def test_what_calibration_needs_of_the_training_images_is_kept(exported: Export) -> None:
    training = read_training(exported.path)
    threshold = exported.manifest.threshold.value
    trusted = np.sort(exported.scores)[: len(training.scores)]
    np.testing.assert_array_equal(np.sort(training.scores), trusted)
    assert training.scores.max() == threshold
    kept = zip(exported.images, training.thumbnails, training.image_statistics, strict=True)
    for path, thumbnail, look in kept:
        image = read_image(path)
        crop = exported.manifest.preprocessing.apply(image)
        np.testing.assert_array_equal(draw_thumbnail(crop), thumbnail)
        np.testing.assert_array_equal(measure_image_statistics(image), look)


def test_tensorrt_s_engines_come_with_the_bundle_and_are_nobody_else_s_business(
    discs: Path, small: ExportSettings, tmp_path: Path, gpu: Any
) -> None:
    target = tmp_path / "disc"
    settings = small.model_copy(update={"provider": "tensorrt", "engine": "auto"})
    done = export(TrainingImages.find(discs / "disc"), target, settings)
    assert (done.manifest.backbone.engine, done.manifest.backbone.provider) == ("onnxruntime", "tensorrt")
    assert not [name for name in done.manifest.files if name.startswith("engines")]
    (engines,) = (target / "engines").iterdir()
    assert (engines / "made.json").is_file()
    asked = len(gpu.asked)
    inspector = Inspector.load(target)
    assert (inspector.backbone.provider, inspector.backbone.engine_folder) == ("tensorrt", engines)
    assert inspector.remark is None
    assert len(gpu.asked) == asked + 1  # built nothing
    # It was compared with the same network by CUDA, whose FP32 is exact.
    assert done.manifest.agreement is not None
    assert any(next(iter(chain)) == "CUDAExecutionProvider" for chain in gpu.asked)

    # Elsewhere they are foreign: the copy is as good as any, and builds its own.
    shutil.copytree(target, tmp_path / "copy")
    del inspector  # or its network would be shared
    gpu.device = replace(gpu.device, name="NVIDIA L4", capability="8.9")
    elsewhere = Inspector.load(tmp_path / "copy")
    assert elsewhere.backbone.provider == "cuda"
    assert "on tensorrt in fp32, here it runs with onnxruntime on cuda" in (elsewhere.remark or "")
    built = Inspector.load(tmp_path / "copy", provider="tensorrt")
    assert built.backbone.engine_folder not in (None, tmp_path / "copy/engines" / engines.name)
    # And an export in its place takes nothing over.
    export(TrainingImages.find(discs / "disc"), target, small.model_copy(update={"provider": "cpu"}))
    assert not (target / "engines").exists()
