"""Inspector: a loaded bundle that decides on frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.anomaly_map import draw_map
from softcore_runtime.bundle import BACKBONE, INDEX, Bundle, read_bundle
from softcore_runtime.engine import Backbone, Engine, choose_engine, open_backbone, usable_cpus
from softcore_runtime.errors import BundleCorruptError, SelfTestError
from softcore_runtime.hnsw import HnswIndex
from softcore_runtime.inspection import Decision, Inspection, Ruling
from softcore_runtime.manifest import Manifest
from softcore_runtime.search import Found, Search

__all__ = ["SELF_TEST_TOLERANCE", "Inspector"]

# Relative; other processors and libraries round differently, another precision more, but not this much.
SELF_TEST_TOLERANCE, _OTHER_PRECISION = 1e-2, 1e-1

_Frame = NDArray[np.generic]


class Inspector:
    """Decides on frames with a bundle.

    `decide` says PASS or FAIL as fast as that can be certain, `inspect` draws the whole map as well; both
    decide as an exhaustive search would. Calls from several threads take turns.

    >>> inspector = Inspector.load("bundles/pill")
    >>> inspector.decide(frame).decision
    <Decision.PASS: 'PASS'>
    >>> inspector.inspect(frame).share
    0.83
    """

    def __init__(self, bundle: Bundle, backbone: Backbone, search: Search) -> None:
        self._bundle = bundle
        self._backbone = backbone
        self._search = search
        self._turn = threading.Lock()
        self._patches = np.empty((0, 0, 0), np.float32)  # of the last frames; its memory serves the next

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: Engine | Literal["auto"] = "auto",
        threads: int | None = None,
        self_test: bool = True,
    ) -> Inspector:
        """Read and verify a bundle, warm up, and repeat its golden frames.

        Args:
            path: the bundle's folder.
            engine: what runs the network; `auto` takes the one that the bank's features were computed by,
                or where that is missing the fastest there is.
            threads: of the network and the index; None takes every CPU this process may use.
            self_test: compare the golden frames' scores with the exported ones.

        Raises:
            BundleError: missing, changed, truncated or too new, or the self-test failed.
            MissingLibraryError: `engine` isn't installed, or none is.
        """
        bundle = read_bundle(Path(path))
        manifest = bundle.manifest
        index = HnswIndex.load(
            bundle.path / INDEX, manifest.bank.n, manifest.bank.dim, manifest.index.ef_search
        )
        index.set_threads(threads or usable_cpus())
        if engine == "auto" and find_spec(manifest.backbone.engine):
            engine = manifest.backbone.engine
        backbone = open_backbone(
            bundle.path / BACKBONE, choose_engine(engine), manifest.backbone.precision, threads
        )
        inspector = cls(bundle, backbone, Search(bundle.bank, bundle.weights, index, bundle.hints))
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

    @property
    def backbone(self) -> Backbone:
        """The network in use."""
        return self._backbone

    @property
    def remark(self) -> str | None:
        """What a person should know about this machine: that it computes otherwise than the bank's did."""
        learned, here = self.manifest.backbone, self._backbone
        if (learned.engine, learned.precision) == (here.engine, here.precision):
            return None
        return (
            f"the bundle was learned with {learned.engine} in {learned.precision}, here it runs with "
            f"{here.engine} in {here.precision}: calibrate its limit on this machine"
        )

    def decide(self, frame: _Frame, camera: int = 0) -> Ruling:
        """Decide on one frame: uint8 (or uint16) BGR `[H, W, 3]` or grey `[H, W]`, from 8 pixels.

        Args:
            frame: the picture.
            camera: which camera's; what helped with its last frame is tried first.

        Raises:
            FrameError: the frame has a wrong dtype or shape, or is too small.
        """
        return self._decide([frame], [camera])[0]

    def inspect(self, frame: _Frame, camera: int = 0) -> Inspection:
        """Decide on one frame and draw its whole map; arguments and errors as `decide`."""
        return self._inspect([frame], [camera])[0]

    def decide_batch(self, frames: Sequence[_Frame]) -> list[Ruling]:
        """Decide on one frame of each of several cameras, 0 and up, in one run of the network."""
        return self._decide(frames, range(len(frames))) if len(frames) else []

    def inspect_batch(self, frames: Sequence[_Frame]) -> list[Inspection]:
        """Decide on one frame of each of several cameras and draw their maps; as `decide_batch`."""
        return self._inspect(frames, range(len(frames))) if len(frames) else []

    def run_self_test(self) -> float:
        """Inspect the golden frames and return the largest relative difference from their scores.

        Raises:
            SelfTestError: it exceeds `SELF_TEST_TOLERANCE`, or where the bank's features were computed in
                another precision, ten times that; or a decision is another.
        """
        worst, threshold = 0.0, self.manifest.threshold.value
        tolerance = _OTHER_PRECISION if self.remark else SELF_TEST_TOLERANCE
        for golden in self._bundle.golden:
            found = self.inspect(self._bundle.read_golden(golden))
            difference = abs(found.score - golden.score) / max(golden.score, threshold)
            worst = max(worst, difference)
            clear = abs(golden.score - threshold) > tolerance * max(golden.score, threshold)
            flipped = clear and (found.decision is Decision.FAIL) != (golden.score > threshold)
            if difference > tolerance or flipped:
                raise SelfTestError(
                    f"{self._bundle.path}: self-test failed: {golden.file} scores {found.score:.6g} here, "
                    f"{golden.score:.6g} at export; the libraries of this machine compute something else"
                )
        return worst

    def _decide(self, frames: Sequence[_Frame], cameras: Sequence[int]) -> list[Ruling]:
        start = time.perf_counter()
        limit = self.manifest.threshold.value
        with self._turn:
            patches = self._features(frames)
            found = [self._search.decide(p, limit, c) for p, c in zip(patches, cameras, strict=True)]
        spent = (time.perf_counter() - start) / len(frames)
        return [self._rule(frame, one, limit, spent) for frame, one in zip(frames, found, strict=True)]

    def _inspect(self, frames: Sequence[_Frame], cameras: Sequence[int]) -> list[Inspection]:
        start = time.perf_counter()
        limit, grid = self.manifest.threshold.value, self.manifest.grid
        with self._turn:
            patches = self._features(frames)
            found = [self._search.inspect(p, limit, c) for p, c in zip(patches, cameras, strict=True)]
        scores = [patch_scores.reshape(grid.height, grid.width) for _, patch_scores in found]
        maps = [draw_map(patch_scores, self.manifest.preprocessing.crop) for patch_scores in scores]
        spent = (time.perf_counter() - start) / len(frames)
        return [
            Inspection(**vars(self._rule(frame, one, limit, spent)), patch_scores=s, anomaly_map=m)
            for frame, (one, _), s, m in zip(frames, found, scores, maps, strict=True)
        ]

    def _features(self, frames: Sequence[_Frame]) -> NDArray[np.float32]:
        """Compute patch features float32 `[B, P, d]`."""
        crops = [self.manifest.preprocessing.apply(frame) for frame in frames]
        if len(self._patches) != len(crops):
            grid = self.manifest.grid
            shape = (len(crops), grid.height * grid.width, self.manifest.bank.dim)
            self._patches = np.empty(shape, np.float32)
        return self._backbone.features(crops[0][None] if len(crops) == 1 else np.stack(crops), self._patches)

    def _rule(self, frame: _Frame, found: Found, limit: float, seconds: float) -> Ruling:
        return Ruling(
            decision=Decision.FAIL if found.above else Decision.PASS,
            score=found.score,
            bound=found.bound,
            threshold=limit,
            window=self.manifest.preprocessing.window(frame.shape[0], frame.shape[1]),
            certified_by_hint=found.by_hint,
            by_hnsw=found.by_hnsw,
            exact=found.exact,
            milliseconds=1000 * seconds,
        )

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
