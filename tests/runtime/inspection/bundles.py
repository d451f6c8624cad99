"""Bundles that tests change, and frames for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from scipy.spatial.distance import cdist
from softcore_runtime import InspectionResult
from softcore_runtime.backends.engine import Engine, Precision
from softcore_runtime.bundle.bundle import (
    read_bundle,
    record_files,
    write_manifest,
)
from softcore_runtime.bundle.manifest import parse_manifest


def reseal(path: Path, threshold: float | None = None, **changes: object) -> None:
    """Seal a bundle again after a change, so that only what a hash can't tell is left to be found."""
    manifest = parse_manifest((path / "manifest.json").read_bytes(), "m")
    if threshold is not None:
        changes["threshold"] = manifest.threshold.model_copy(update={"value": threshold})
    write_manifest(path, manifest.model_copy(update={"files": record_files(path), **changes}))


def scores_from_scratch(path: Path, frame: np.ndarray) -> np.ndarray:
    """Patch scores [8, 8] of a frame of 36 x 36, in float64, by the definition.

    w(m*) ||p - m*||, or with floors the least max(||p - m||, F(m)).
    """
    assert frame.shape == (36, 36, 3)
    cells = frame[2:34, 2:34].astype(float).reshape(8, 4, 8, 4, 3).mean((1, 3)).reshape(-1, 3)
    bank, weights = np.load(path / "bank.npy").astype(float), np.load(path / "weights.npy").astype(float)
    distances = np.maximum(cdist(cells, bank), np.load(path / "floors.npy").astype(float))
    nearest = distances.argmin(1)
    return (weights[nearest] * distances[np.arange(len(cells)), nearest]).reshape(8, 8)


def set_floors(path: Path, floors: np.ndarray) -> None:
    """Give a bundle floors instead of its soft weights."""
    bank = read_bundle(path).manifest.bank.model_copy(
        update={"soft_weights": False, "weight_max": 1.0, "floor": 1.0}
    )
    np.save(path / "floors.npy", floors.astype(np.float32))
    np.save(path / "weights.npy", np.ones(len(floors), np.float32))
    reseal(path, bank=bank)


def draw_frames(count: int, seed: int = 0) -> list[np.ndarray]:
    """Frames of 36 x 36 like those of `tiny_bundle`, with noise and spots: some pass, some fail."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(90, 130, 36)
    frames = []
    for _ in range(count):
        frame = np.repeat((ramp[:, None] + ramp[None, :])[:, :, None] / 2, 3, axis=2)
        frame += rng.normal(0, rng.uniform(0, 12), (36, 36, 3)) + rng.uniform(-6, 6)
        for _ in range(rng.integers(3)):
            row, column = rng.integers(2, 30, 2)
            frame[row : row + 5, column : column + 5] += rng.uniform(-40, 40)
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return frames


def counts(result: InspectionResult) -> tuple[object, ...]:
    """All of a result but its time and place."""
    return (
        result.decision, result.score, result.bound, result.certified_by_hint, result.by_hnsw, result.exact
    )  # fmt: skip


def write_network(
    path: Path, nodes: list[onnx.NodeProto], kind: int = TensorProto.FLOAT, side: int = 32
) -> None:
    """Write a network crop -> features that is valid ONNX, but not this bundle's."""
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("crop", TensorProto.UINT8, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("features", kind, ["batch", None, 3])],
        [helper.make_tensor("shape", TensorProto.INT64, [3], [0, -1, 3]),
         helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        path / "backbone.onnx",
    )
    reseal(path)


def claim(path: Path, engine: Engine, precision: Precision) -> None:
    """Let a bundle say that its bank was computed otherwise than it was."""
    learned = read_bundle(path).manifest.backbone.model_copy(
        update={"engine": engine, "precision": precision}
    )
    reseal(path, backbone=learned)


def change_threshold(path: Path, **fields: object) -> None:
    """Give a bundle's threshold further properties."""
    manifest = parse_manifest((path / "manifest.json").read_bytes(), "m")
    threshold = manifest.threshold.model_copy(update=fields)
    write_manifest(path, manifest.model_copy(update={"threshold": threshold}))
