"""Inspector: a loaded bundle that decides on frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.anomaly_map import draw_map, score_area
from softcore_runtime.backbones import share_backbone
from softcore_runtime.bundle import (
    BACKBONE,
    Bundle,
    manifest_path,
    read_bundle,
    read_manifest,
    read_mask,
)
from softcore_runtime.devices import SearchTimes
from softcore_runtime.engine import (
    Backbone,
    Engine,
    Provider,
    describe_backbone,
)
from softcore_runtime.errors import BundleCorruptError, SelfTestError
from softcore_runtime.index_choice import choose_index, measure_indexes
from softcore_runtime.inspection import Bound, Decision, Inspection, Ruling
from softcore_runtime.manifest import Backbone as BackboneRecord
from softcore_runtime.manifest import Manifest
from softcore_runtime.mask import find_ignored
from softcore_runtime.search import Found, Search
from softcore_runtime.self_test import Repeated, largest_difference
from softcore_runtime.threshold import Calibration, Threshold

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
        self._seen = _stamp(bundle.path)
        self._take_up(bundle.manifest, read_mask(bundle.path, bundle.manifest))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: Engine | Literal["auto"] = "auto",
        provider: Provider | Literal["auto"] = "auto",
        threads: int | None = None,
        self_test: bool = True,
        build: bool = False,
    ) -> Inspector:
        """Read and verify a bundle, warm up, and repeat its golden frames.

        Args:
            path: the bundle's folder.
            engine: what runs the network; `auto` takes what `provider` needs, on a CPU the one that the
                bank's features were computed by, or where that is missing the fastest there is.
            provider: what computes, `tensorrt`, `cuda` or `cpu`; `auto` takes the first that can here, see
                `softcore_runtime.backbones.open_backbone`.
            threads: of the network and the index; None takes every CPU this process may use.
            self_test: compare the golden frames' scores with the exported ones.
            build: let TensorRT build engines where `auto` takes it, too, which takes minutes; where it is
                named it does so in any case.

        Raises:
            BundleError: missing, changed, truncated or too new, or the self-test failed.
            MissingLibraryError: `engine` isn't installed, or none is.
            ProviderError: `provider` can't compute here, and why.
        """
        bundle = read_bundle(Path(path))
        manifest = bundle.manifest
        backbone = share_backbone(
            bundle.path / BACKBONE,
            manifest.files[BACKBONE].sha256,
            engine,
            manifest.backbone.precision,
            threads,
            provider,
            favourite=manifest.backbone.engine,
            build=build,
        )
        index = choose_index(bundle, backbone, threads)
        inspector = cls(bundle, backbone, Search(bundle.bank, bundle.weights, index, bundle.hints))
        inspector._warm_up()
        if self_test:
            inspector.run_self_test()
        return inspector

    @property
    def bundle(self) -> Bundle:
        """The bundle in use, as it was loaded; for the limit that holds now see `manifest`."""
        return self._bundle

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest, with the limit that holds now."""
        return self._manifest

    @property
    def backbone(self) -> Backbone:
        """The network in use."""
        return self._backbone

    @property
    def network(self) -> str:
        """What computes, in words, and why nothing faster does where that was left open."""
        here = self._backbone
        said = describe_backbone(here.engine, here.provider, here.precision)
        return f"{said} ({here.choice})" if here.choice else said

    @property
    def remark(self) -> str | None:
        """What a person should know about this machine: that it computes otherwise than the limit's did."""
        here, calibration = self._backbone, self._manifest.threshold.calibration
        learned = calibration or self._manifest.backbone
        if _computes_alike(learned, here):
            return None
        what = "limit was calibrated" if calibration else "bundle was learned"
        then = describe_backbone(learned.engine, learned.provider, learned.precision)
        now = describe_backbone(here.engine, here.provider, here.precision)
        return f"the {what} with {then}, here it runs with {now}: calibrate its limit on this machine"

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

    def rehearse(self, threshold: Threshold, mask: NDArray[np.uint8] | None = None) -> None:
        """Let another limit hold in this inspector alone, as a calibration does before it writes one.

        Args:
            threshold: the limit; its `mask` isn't read.
            mask: uint8 BGR `[h, w, 3]`, white where nothing is to be inspected.

        Raises:
            UsageError: the mask leaves nothing to inspect.
        """
        self._take_up(self._manifest.model_copy(update={"threshold": threshold}), mask)

    @property
    def outdated(self) -> bool:
        """Whether the manifest was written since, so that `refresh` has something to do; a look at a file."""
        return _stamp(self._bundle.path) != self._seen

    def refresh(self) -> bool:
        """Take up a limit that was set since; quick enough to be asked before every frame.

        Returns:
            whether the limit is another now.

        Raises:
            BundleError: the manifest can't be read any more, or is another export's. The limit in use stays;
                what is wrong is raised once, not before every frame.
        """
        seen = _stamp(self._bundle.path)
        if seen == self._seen:
            return False
        self._seen = seen
        manifest = read_manifest(self._bundle.path)
        if not manifest.same_export(self._manifest):
            raise BundleCorruptError(
                f"{self._bundle.path}: was exported anew; the earlier export is in use until a restart"
            )
        old = self._manifest.threshold
        self._take_up(manifest, read_mask(self._bundle.path, manifest))
        return manifest.threshold != old

    def run_self_test(self) -> float:
        """Inspect the golden frames and return the largest relative difference from their scores.

        Raises:
            SelfTestError: it exceeds `SELF_TEST_TOLERANCE`, or where the bank's features were computed
                otherwise than here, ten times that; or a decision is another.
        """
        tolerance = SELF_TEST_TOLERANCE
        if not _computes_alike(self._manifest.backbone, self._backbone):
            tolerance = _OTHER_PRECISION
        repeated = self.repeat_golden()
        for one in repeated:
            if one.difference > tolerance or (one.flipped and one.clear(tolerance)):
                raise SelfTestError(
                    f"{self._bundle.path}: self-test failed: {one.file} scores {one.here:.6g} here, "
                    f"{one.exported:.6g} at export; the libraries of this machine compute something else"
                )
        return largest_difference(repeated)

    def repeat_golden(self) -> tuple[Repeated, ...]:
        """Inspect the golden frames: all of each, whatever a calibration leaves out."""
        limit = self._exported_limit()
        repeated = []
        for golden in self._bundle.golden:
            with self._turn:
                patches = self._features([self._bundle.read_golden(golden)])[0]
                here = self._search.inspect(patches, limit)[0].score
            repeated.append(Repeated(golden.file, golden.score, here, limit))
        return tuple(repeated)

    def measure_search(self, threads: int | None = None) -> SearchTimes | None:
        """Find out whether the bank is searched faster beside the network, on the golden frames, and keep it.

        Returns:
            what was measured; None where there is only the host's index.
        """
        with self._turn:
            frames = [
                self._features([self._bundle.read_golden(golden)])[0].copy() for golden in self._bundle.golden
            ]
            limit = self._exported_limit()
            return measure_indexes(self._bundle, self._backbone, frames, limit, threads)

    def _decide(self, frames: Sequence[_Frame], cameras: Sequence[int]) -> list[Ruling]:
        start = time.perf_counter()
        with self._turn:
            patches = self._watch(self._features(frames))
            threshold = self._manifest.threshold
            found = [self._settle(p, threshold, c) for p, c in zip(patches, cameras, strict=True)]
        spent = (time.perf_counter() - start) / len(frames)
        return [self._rule(frame, one, threshold, spent) for frame, one in zip(frames, found, strict=True)]

    def _settle(self, patches: NDArray[np.float32], threshold: Threshold, camera: int) -> Found:
        """Find out, of patches float32 `[P, d]`, as much as the decision needs."""
        found = self._search.decide(patches, threshold.value, camera)
        if not found.above:  # nor is any area of the map, which averages the patches
            return found if threshold.min_area is None else replace(found, bound=Bound.UPPER)
        if threshold.min_area is not None:
            return self._measure(patches, threshold, camera)[0]
        if threshold.fail_above is None:
            return found
        higher = self._search.decide(patches, threshold.fail_above, camera)
        return higher if higher.above else self._search.inspect(patches, threshold.fail_above, camera)[0]

    def _inspect(self, frames: Sequence[_Frame], cameras: Sequence[int]) -> list[Inspection]:
        start = time.perf_counter()
        with self._turn:
            patches = self._watch(self._features(frames))
            threshold = self._manifest.threshold
            found = [self._measure(p, threshold, c) for p, c in zip(patches, cameras, strict=True)]
        spent = (time.perf_counter() - start) / len(frames)
        return [
            Inspection(
                **vars(self._rule(frame, one, threshold, spent)), patch_scores=scores, anomaly_map=anomaly_map
            )
            for frame, (one, scores, anomaly_map) in zip(frames, found, strict=True)
        ]

    def _measure(
        self, patches: NDArray[np.float32], threshold: Threshold, camera: int
    ) -> tuple[Found, NDArray[np.float32], NDArray[np.float32]]:
        """Score patches float32 `[P, d]`: what was found, the scores `[H, W]` and the map `[crop, crop]`."""
        grid, crop = self._manifest.grid, self._manifest.preprocessing.crop
        if threshold.min_area is None:
            found, scores = self._search.inspect(patches, threshold.value, camera)
        else:  # an area's score depends on all patches around it
            found, scores = self._search.score(patches, threshold.value)
        scores = scores.reshape(grid.height, grid.width)
        anomaly_map = draw_map(scores, crop)
        if threshold.min_area is not None:
            score = score_area(anomaly_map, threshold.min_area, found.score)
            found = replace(found, score=score, bound=Bound.EXACT, above=score > threshold.value)
        return found, scores, anomaly_map

    def _watch(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put an entry of the bank, whose score is 0, in the place of each patch that the mask leaves out."""
        if self._ignored is not None:
            patches[:, self._ignored] = self._unsuspicious
        return patches

    def _features(self, frames: Sequence[_Frame]) -> NDArray[np.float32]:
        """Compute patch features float32 `[B, P, d]`."""
        crops = [self.manifest.preprocessing.apply(frame) for frame in frames]
        if len(self._patches) != len(crops):
            grid = self.manifest.grid
            shape = (len(crops), grid.height * grid.width, self.manifest.bank.dim)
            self._patches = np.empty(shape, np.float32)
        return self._backbone.features(crops[0][None] if len(crops) == 1 else np.stack(crops), self._patches)

    def _rule(self, frame: _Frame, found: Found, threshold: Threshold, seconds: float) -> Ruling:
        # The score of a FAIL that stopped at the first proof may be a bound from below.
        decision = Decision.FAIL if found.bound is Bound.LOWER else threshold.decide(found.score)
        return Ruling(
            decision=decision,
            score=found.score,
            bound=found.bound,
            threshold=threshold.value,
            fail_above=threshold.upper,
            window=self._manifest.preprocessing.window(frame.shape[0], frame.shape[1]),
            certified_by_hint=found.by_hint,
            by_hnsw=found.by_hnsw,
            exact=found.exact,
            milliseconds=1000 * seconds,
            provider=self._backbone.provider,
        )

    def _take_up(self, manifest: Manifest, mask: NDArray[np.uint8] | None) -> None:
        """Let a manifest's limit hold from the next frame on."""
        ignored = None
        if mask is not None:
            grid = (manifest.grid.height, manifest.grid.width)
            ignored = np.flatnonzero(find_ignored(mask, manifest.preprocessing, grid))
        with self._turn:
            self._manifest, self._ignored = manifest, ignored
            if ignored is not None:
                hints = self._bundle.hints[ignored]
                first = hints[:, 0] if hints.shape[1] else np.zeros(len(ignored), np.int32)
                self._unsuspicious = self._bundle.bank[first]

    def _exported_limit(self) -> float:
        """The limit that the golden frames' decisions were made with."""
        return (*self._manifest.history, self._manifest.threshold)[0].value

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


def _computes_alike(learned: BackboneRecord | Calibration, here: Backbone) -> bool:
    then, now = ((one.engine, one.provider, one.precision) for one in (learned, here))
    return then == now


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Tell one manifest from another at a glance; None where there is none."""
    try:
        stat = manifest_path(path).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
