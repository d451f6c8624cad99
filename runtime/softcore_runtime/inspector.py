"""Inspector: a loaded bundle that turns frames into inspections."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.anomaly_map import draw_map
from softcore_runtime.bundle import BACKBONE, INDEX, Bundle, read_bundle
from softcore_runtime.errors import BundleCorruptError, SelfTestError
from softcore_runtime.hnsw import HnswIndex
from softcore_runtime.inspection import Decision, Inspection
from softcore_runtime.manifest import Manifest
from softcore_runtime.ort import OnnxBackbone
from softcore_runtime.search import Search

__all__ = ["SELF_TEST_TOLERANCE", "Inspector"]

SELF_TEST_TOLERANCE = 1e-2  # relative; other processors and libraries round differently, but not this much


class Inspector:
    """Inspects frames with a bundle.

    >>> inspector = Inspector.load("bundles/pill")
    >>> inspection = inspector.inspect(frame)
    >>> inspection.decision, inspection.share
    (<Decision.PASS: 'PASS'>, 0.83)
    """

    def __init__(self, bundle: Bundle, backbone: OnnxBackbone, search: Search) -> None:
        self._bundle = bundle
        self._backbone = backbone
        self._search = search

    @classmethod
    def load(cls, path: str | Path, *, threads: int | None = None, self_test: bool = True) -> Inspector:
        """Read and verify a bundle, warm up, and repeat its golden frames.

        Args:
            path: the bundle's folder.
            threads: for the network; None takes every CPU this process may use.
            self_test: compare the golden frames' scores with the exported ones.

        Raises:
            BundleError: missing, changed, truncated or too new, or the self-test failed.
        """
        bundle = read_bundle(Path(path))
        manifest = bundle.manifest
        index = HnswIndex.load(
            bundle.path / INDEX, manifest.bank.n, manifest.bank.dim, manifest.index.ef_search
        )
        backbone = OnnxBackbone(bundle.path / BACKBONE, threads)
        inspector = cls(bundle, backbone, Search(bundle.bank, bundle.weights, index))
        inspector._warm_up()
        if self_test:
            inspector.run_self_test()
        return inspector

    @property
    def bundle(self) -> Bundle:
        """The bundle in use."""
        return self._bundle

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self._bundle.manifest

    def inspect(self, frame: NDArray[np.generic]) -> Inspection:
        """Inspect one frame: uint8 (or uint16) BGR `[H, W, 3]` or grey `[H, W]`, of any size from 8 pixels.

        Raises:
            FrameError: the frame has a wrong dtype or shape, or is too small.
        """
        start = time.perf_counter()
        manifest = self.manifest
        threshold, grid = manifest.threshold.value, manifest.grid
        crop = manifest.preprocessing.apply(frame)
        patches = self._backbone.features(crop[None])[0]  # [P, d]
        found = self._search.score(patches, threshold)
        patch_scores = found.scores.reshape(grid.height, grid.width)
        score = float(patch_scores.max())
        anomaly_map = draw_map(patch_scores, manifest.preprocessing.crop)
        return Inspection(
            decision=Decision.FAIL if score > threshold else Decision.PASS,
            score=score,
            threshold=threshold,
            patch_scores=patch_scores,
            anomaly_map=anomaly_map,
            window=manifest.preprocessing.window(frame.shape[0], frame.shape[1]),
            searched_exactly=found.searched_exactly,
            milliseconds=1000 * (time.perf_counter() - start),
        )

    def run_self_test(self) -> float:
        """Inspect the golden frames and return the largest relative difference from their scores.

        Raises:
            SelfTestError: it exceeds `SELF_TEST_TOLERANCE`.
        """
        worst, threshold = 0.0, self.manifest.threshold.value
        for golden in self._bundle.golden:
            score = self.inspect(self._bundle.read_golden(golden)).score
            difference = abs(score - golden.score) / max(golden.score, threshold)
            worst = max(worst, difference)
            if difference > SELF_TEST_TOLERANCE:
                raise SelfTestError(
                    f"{self._bundle.path}: self-test failed: {golden.file} scores {score:.6g} here, "
                    f"{golden.score:.6g} at export; the libraries of this machine compute something else"
                )
        return worst

    def _warm_up(self) -> None:
        """Run one frame through, so that the first real one pays for no lazy set-up; check the shapes."""
        manifest = self.manifest
        side = manifest.preprocessing.crop
        features = self._backbone.features(np.zeros((1, side, side, 3), np.uint8))
        expected = (1, manifest.grid.height * manifest.grid.width, manifest.bank.dim)
        if features.shape != expected or features.dtype != np.float32:
            raise BundleCorruptError(
                f"{self._bundle.path / BACKBONE}: gives features {features.dtype} {list(features.shape)}, "
                f"the manifest says float32 {list(expected)}"
            )
