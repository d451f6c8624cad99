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

from softcore_runtime.backends.backbones import share_backbone
from softcore_runtime.backends.devices import SearchTimes
from softcore_runtime.backends.engine import (
    Backbone,
    Engine,
    Provider,
    describe_backbone,
)
from softcore_runtime.bundle.bundle import (
    BACKBONE,
    Bundle,
    describe,
    manifest_path,
    read_bundle,
    read_manifest,
    read_mask,
)
from softcore_runtime.bundle.manifest import BackboneRecord, Manifest, seal_of
from softcore_runtime.bundle.threshold import Calibration, Threshold
from softcore_runtime.bundle.threshold_change import explain_threshold
from softcore_runtime.decision import Bound, Decision
from softcore_runtime.errors import BundleCorruptError, SelfTestError, UsageError
from softcore_runtime.images.mask import check_mask, find_ignored
from softcore_runtime.inspection.anomaly_map import draw_map, score_area
from softcore_runtime.inspection.inspector_card import show_inspector
from softcore_runtime.inspection.result import InspectionResult
from softcore_runtime.inspection.self_test import Repeated, largest_difference
from softcore_runtime.regular_file import stamp_file
from softcore_runtime.search.index_choice import choose_index, measure_indexes
from softcore_runtime.search.search import Found, Search

__all__ = ["SELF_TEST_TOLERANCE", "Inspector"]

# Relative; other processors and libraries round differently, another precision more, but not this much.
SELF_TEST_TOLERANCE, _OTHER_PRECISION = 1e-2, 1e-1


class Inspector:
    """A loaded bundle that decides on frames.

    `decide` says PASS or FAIL as soon as that is certain, `inspect` draws the whole anomaly map as well; both
    decide as an exhaustive search would. Calls from several threads take turns. In a notebook it shows what
    the bundle is, and its golden frames.

    Example:
        >>> inspector = Inspector.load(path)
        >>> inspector
        Inspector('.../bundles/tiny', category='tiny', threshold=12 (provisional), bank=768x3, ...)
        >>> inspector.decide(frame).decision
        <Decision.PASS: 'PASS'>
        >>> inspector.inspect(bad_frame).decision
        <Decision.FAIL: 'FAIL'>
    """

    def __init__(self, bundle: Bundle, backbone: Backbone, search: Search) -> None:
        self._bundle = bundle
        self._backbone = backbone
        self._search = search
        self._turn = threading.Lock()
        self._patches = np.empty((0, 0, 0), np.float32)  # of the last frames; its memory serves the next
        self._seen = bundle.stamp
        # Of each golden frame its score here and those of its patches, float32 [P], once they are known.
        self._golden: list[tuple[float, NDArray[np.float32]]] = []
        self._use_manifest(bundle.manifest, read_mask(bundle.path, bundle.manifest))

    def __repr__(self) -> str:
        here, manifest = self._backbone, self._manifest
        network = f"{manifest.backbone.name}, {describe_backbone(here.engine, here.provider, here.precision)}"
        return f"Inspector({str(self._bundle.path)!r}, {describe(manifest)}, network={network!r})"

    def _repr_html_(self) -> str:
        """Show the bundle and its golden frames, in a notebook."""
        return show_inspector(self._bundle, self._manifest, self.network, self.remark)

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
        any_threshold: bool = False,
    ) -> Inspector:
        """Read and verify a bundle, warm up, and repeat its golden frames.

        Args:
            path: the bundle's folder.
            engine: what runs the network, `onnxruntime` or `openvino`; `auto` takes what `provider` needs; on
                a CPU the one that computed the bank's features, or where that is missing the fastest that is
                installed.
            provider: what computes, `tensorrt`, `cuda` or `cpu`; `auto` takes the first that can.
            threads: of the network and the index; None takes every CPU that this process may use.
            self_test: compare the golden frames' scores with those at export, and see that one of them fails
                at the threshold in use.
            build: let TensorRT build engines also where `auto` takes it, which takes minutes; where TensorRT
                is named it builds them in any case.
            any_threshold: take also a bundle whose threshold lets every golden frame pass: to set another
                one.

        Returns:
            the inspector, ready for its first frame.

        Raises:
            BundleError: the bundle is missing, changed, truncated or too new, or the self-test failed.
            MissingLibraryError: `engine` isn't installed, or none is.
            ProviderError: `provider` can't compute here, and why.
            UsageError: `engine` doesn't have `provider`.

        Example:
            >>> Inspector.load(path, engine="onnxruntime", provider="cpu", threads=1).network
            'onnxruntime in fp32'
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
            fault = None if any_threshold else inspector.explain_threshold(inspector.manifest.threshold)
            if fault:
                raise SelfTestError(
                    f"{bundle.path}: {fault}; set another threshold with softcore-calibrate, or export again"
                )
        return inspector

    @property
    def bundle(self) -> Bundle:
        """The bundle in use, as it was loaded; `manifest` has the threshold that holds now.

        Example:
            >>> inspector.bundle.bank.shape
            (768, 3)
        """
        return self._bundle

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest, with the threshold that holds now.

        Example:
            >>> inspector.manifest.threshold.value
            12.0
        """
        return self._manifest

    @property
    def seal(self) -> str:
        """The seal of `manifest`, SHA-256 in hex; each result has that of the manifest that decided.

        Example:
            >>> inspector.seal == inspector.inspect(frame).seal
            True
        """
        return self._seal

    @property
    def backbone(self) -> Backbone:
        """The network in use.

        Example:
            >>> inspector.backbone.engine, inspector.backbone.precision
            ('onnxruntime', 'fp32')
        """
        return self._backbone

    @property
    def network(self) -> str:
        """What computes, in words; where `auto` chose it, also why nothing faster does.

        Example:
            >>> inspector.network
            'onnxruntime in fp32...'
        """
        here = self._backbone
        said = describe_backbone(here.engine, here.provider, here.precision)
        return f"{said} ({here.choice})" if here.choice else said

    @property
    def remark(self) -> str | None:
        """What a person should know about this machine: that it computes otherwise than the threshold's did.

        None where it computes alike.

        Example:
            >>> inspector.remark is None
            True
        """
        here, calibration = self._backbone, self._manifest.threshold.calibration
        learned = calibration or self._manifest.backbone
        if _computes_alike(learned, here):
            return None
        what = "threshold was calibrated" if calibration else "bundle was learned"
        then = describe_backbone(learned.engine, learned.provider, learned.precision)
        now = describe_backbone(here.engine, here.provider, here.precision)
        return f"the {what} with {then}, here it runs with {now}: calibrate its threshold on this machine"

    def decide(self, frame: NDArray[np.generic], camera: int = 0) -> InspectionResult:
        """Decide on one frame, as soon as the decision is certain.

        Args:
            frame: uint8 or uint16, BGR `[H, W, 3]`, BGRA `[H, W, 4]` or grey `[H, W]`; 16 bits are taken as
                full range. No side is shorter than 8 pixels. The result keeps a reference to it.
            camera: whose frame it is, from 0: the entries that certified its last frame are compared first.

        Returns:
            the decision, and what is known of the score: see `InspectionResult`.

        Raises:
            FrameError: the frame has another dtype or shape, or is too small.

        Example:
            >>> inspector.decide(frame)
            InspectionResult(PASS, ...)
            >>> inspector.decide(bad_frame)
            InspectionResult(FAIL, score..., ... x threshold, ... ms)
            >>> inspector.decide(frame[:4])
            Traceback (most recent call last):
                ...
            softcore_runtime.errors.FrameError: a frame of 48 x 4 pixels is too small (at least 8)
        """
        return self._decide([frame], [camera])[0]

    def inspect(self, frame: NDArray[np.generic], camera: int = 0) -> InspectionResult:
        """Decide on one frame, with its exact score and its whole anomaly map.

        Args:
            frame: as for `decide`.
            camera: as for `decide`.

        Returns:
            the same decision as `decide`, the exact score and the map: see `InspectionResult`.

        Raises:
            FrameError: as `decide`.

        Example:
            >>> inspector.inspect(bad_frame)
            InspectionResult(FAIL, score=..., ... x threshold, map 32x32, ... ms)
        """
        return self._inspect([frame], [camera])[0]

    def decide_batch(self, frames: Sequence[NDArray[np.generic]]) -> list[InspectionResult]:
        """Decide on one frame of each of several cameras, in one run of the network.

        Args:
            frames: one of each camera, camera 0 first; each as for `decide`, of whatever size.

        Returns:
            a result for each frame, in the same order; `[]` for no frames.

        Raises:
            FrameError: as `decide`, for the first frame that is wrong; then none is decided on.

        Example:
            >>> [str(result.decision) for result in inspector.decide_batch([frame, bad_frame])]
            ['PASS', 'FAIL']
        """
        return self._decide(frames, range(len(frames))) if len(frames) else []

    def inspect_batch(self, frames: Sequence[NDArray[np.generic]]) -> list[InspectionResult]:
        """Decide on one frame of each of several cameras, with their maps, in one run of the network.

        Args:
            frames: as for `decide_batch`.

        Returns:
            a result for each frame, in the same order; `[]` for no frames.

        Raises:
            FrameError: as `decide_batch`.

        Example:
            >>> [result.anomaly_map.shape for result in inspector.inspect_batch([frame, bad_frame])]
            [(32, 32), (32, 32)]
        """
        return self._inspect(frames, range(len(frames))) if len(frames) else []

    def override_threshold(self, threshold: Threshold, mask: NDArray[np.uint8] | None = None) -> None:
        """Use another threshold in this inspector alone, as a calibration does before it writes one.

        Args:
            threshold: the threshold; its `mask` isn't read.
            mask: uint8 BGR `[h, w, 3]`, white where nothing is to be inspected.

        Raises:
            UsageError: the mask leaves nothing to inspect or nothing out, or `min_area` is more than the
                whole map.

        Example:
            >>> from softcore_runtime.bundle.threshold import Threshold
            >>> inspector.override_threshold(Threshold(value=1000, provisional=True, method="a trial"))
            >>> print(inspector.decide(bad_frame).decision)
            PASS
        """
        side = self._manifest.preprocessing.crop
        if threshold.min_area is not None and threshold.min_area > side**2:
            raise UsageError(
                f"an area of {threshold.min_area:,} pixels is more than the anomaly map's {side} x {side}"
            )
        if mask is not None:
            grid = (self._manifest.grid.height, self._manifest.grid.width)
            check_mask(mask, self._manifest.preprocessing, grid)
        self._use_manifest(self._manifest.model_copy(update={"threshold": threshold}), mask)

    def explain_threshold(self, threshold: Threshold) -> str | None:
        """Say why a threshold can't be used: no golden frame would fail by it.

        See `threshold_change.explain_threshold`.

        Args:
            threshold: the threshold in question; its `mask` isn't read, since a mask may hide the spoiled
                part of a golden frame.

        Returns:
            why, in words that follow the bundle's name; None where it can be used.

        Example:
            >>> from softcore_runtime.bundle.threshold import Threshold
            >>> inspector.explain_threshold(Threshold(value=15, provisional=False, method="by hand")) is None
            True
            >>> inspector.explain_threshold(Threshold(value=1e9, provisional=False, method="by hand"))
            'at a threshold of 1e+09 no golden frame fails (the highest score is ...'
        """
        area, side = threshold.min_area, self._manifest.preprocessing.crop
        found = self._golden or self._score_golden()
        scores = [
            score if area is None else score_area(draw_map(self._shape(patches), side), area, score)
            for score, patches in found
        ]
        return explain_threshold(threshold, self._manifest, scores)

    @property
    def is_stale(self) -> bool:
        """Whether the manifest was written since, so that `refresh` has something to do; a look at one file.

        Example:
            >>> inspector.is_stale
            False
        """
        return stamp_file(manifest_path(self._bundle.path)) != self._seen

    def refresh(self) -> bool:
        """Use the threshold that was set in the bundle since; quick enough to be called before every frame.

        Returns:
            whether the threshold is another now.

        Raises:
            BundleError: the manifest can't be read any more, or is another export's, or no golden frame fails
                at its threshold. The threshold in use stays; what is wrong is raised once, not before every
                frame.

        Example:
            >>> from softcore_runtime.bundle.threshold_change import set_threshold
            >>> from softcore_runtime.bundle.threshold import Threshold
            >>> new = Threshold(value=15, provisional=False, method="by hand")
            >>> _ = set_threshold(path, new, inspector.manifest)
            >>> inspector.refresh(), inspector.manifest.threshold.value
            (True, 15.0)
        """
        seen = stamp_file(manifest_path(self._bundle.path))
        if seen == self._seen:
            return False
        self._seen = seen
        manifest = read_manifest(self._bundle.path)
        if not manifest.same_export(self._manifest):
            raise BundleCorruptError(
                f"{self._bundle.path}: was exported anew; the earlier export is in use until a restart"
            )
        fault = self.explain_threshold(manifest.threshold)
        if fault:
            raise SelfTestError(f"{self._bundle.path}: {fault}; the earlier threshold stays in use")
        old = self._manifest.threshold
        self._use_manifest(manifest, read_mask(self._bundle.path, manifest))
        return manifest.threshold != old

    def run_self_test(self) -> float:
        """Inspect the golden frames and compare their scores with those at export.

        Returns:
            the largest difference, relative to the score or the threshold, whichever is higher.

        Raises:
            SelfTestError: it exceeds 1 %, or 10 % where the bank's features were computed otherwise than
                here; or a decision is another.

        Example:
            >>> inspector.run_self_test() < 0.01
            True
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
        """Inspect the golden frames; all of each, whatever a calibration's mask leaves out.

        Returns:
            each with its scores here and at export.

        Example:
            >>> [(one.file, one.flipped) for one in inspector.repeat_golden()]
            [('good.png', False), ('spoiled.png', False)]
        """
        threshold = self._exported_threshold()
        return tuple(
            Repeated(golden.file, golden.score, here, threshold)
            for golden, (here, _) in zip(self._bundle.golden, self._score_golden(), strict=True)
        )

    def _score_golden(self) -> list[tuple[float, NDArray[np.float32]]]:
        """Score each golden frame and its patches, exactly where they are above the exported threshold."""
        threshold, scored = self._exported_threshold(), []
        for golden in self._bundle.golden:
            with self._turn:
                patches = self._features([self._bundle.read_golden(golden)])[0]
                found, scores = self._search.inspect(patches, threshold)
            scored.append((found.score, scores))
        self._golden = scored
        return scored

    def measure_search(self, threads: int | None = None) -> SearchTimes | None:
        """Measure, on the golden frames, whether the bank is searched faster on the GPU, and record it.

        Args:
            threads: of the host's index; None takes every CPU that this process may use.

        Returns:
            what was measured; None where there is no GPU, and so only the host's index.

        Example:
            >>> inspector.measure_search() is None  # on a CPU
            True
        """
        with self._turn:
            frames = [
                self._features([self._bundle.read_golden(golden)])[0].copy() for golden in self._bundle.golden
            ]
            threshold = self._exported_threshold()
            return measure_indexes(self._bundle, self._backbone, frames, threshold, threads)

    def _decide(
        self, frames: Sequence[NDArray[np.generic]], cameras: Sequence[int]
    ) -> list[InspectionResult]:
        start = time.perf_counter()
        with self._turn:
            patches = self._watch(self._features(frames))
            threshold, seal = self._manifest.threshold, self._seal
            found = [self._settle(p, threshold, c) for p, c in zip(patches, cameras, strict=True)]
        spent = (time.perf_counter() - start) / len(frames)
        return [
            self._result(frame, one, threshold, seal, spent) for frame, one in zip(frames, found, strict=True)
        ]

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

    def _inspect(
        self, frames: Sequence[NDArray[np.generic]], cameras: Sequence[int]
    ) -> list[InspectionResult]:
        start = time.perf_counter()
        with self._turn:
            patches = self._watch(self._features(frames))
            threshold, seal = self._manifest.threshold, self._seal
            found = [self._measure(p, threshold, c) for p, c in zip(patches, cameras, strict=True)]
        spent = (time.perf_counter() - start) / len(frames)
        return [
            self._result(frame, one, threshold, seal, spent, scores, anomaly_map)
            for frame, (one, scores, anomaly_map) in zip(frames, found, strict=True)
        ]

    def _measure(
        self, patches: NDArray[np.float32], threshold: Threshold, camera: int
    ) -> tuple[Found, NDArray[np.float32], NDArray[np.float32]]:
        """Score patches float32 `[P, d]`: what was found, the scores `[H, W]` and the map `[crop, crop]`."""
        if threshold.min_area is None:
            found, scores = self._search.inspect(patches, threshold.value, camera)
        else:  # an area's score depends on all patches around it
            found, scores = self._search.score(patches, threshold.value)
        scores = self._shape(scores)
        anomaly_map = draw_map(scores, self._manifest.preprocessing.crop)
        if threshold.min_area is not None:
            score = score_area(anomaly_map, threshold.min_area, found.score)
            found = replace(found, score=score, bound=Bound.EXACT, above=score > threshold.value)
        return found, scores, anomaly_map

    def _shape(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay the scores of patches `[P]` out on the grid `[H, W]`."""
        return scores.reshape(self._manifest.grid.height, self._manifest.grid.width)

    def _watch(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put an entry of the bank, whose score is 0, in the place of each patch that the mask leaves out."""
        if self._ignored is not None:
            patches[:, self._ignored] = self._unsuspicious
        return patches

    def _features(self, frames: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        """Compute patch features float32 `[B, P, d]`."""
        crops = [self.manifest.preprocessing.apply(frame) for frame in frames]
        if len(self._patches) != len(crops):
            grid = self.manifest.grid
            shape = (len(crops), grid.height * grid.width, self.manifest.bank.dim)
            self._patches = np.empty(shape, np.float32)
        return self._backbone.features(crops[0][None] if len(crops) == 1 else np.stack(crops), self._patches)

    def _result(
        self,
        frame: NDArray[np.generic],
        found: Found,
        threshold: Threshold,
        seal: str,
        seconds: float,
        patch_scores: NDArray[np.float32] | None = None,
        anomaly_map: NDArray[np.float32] | None = None,
    ) -> InspectionResult:
        # The score of a FAIL that stopped at the first proof may be a bound from below.
        decision = Decision.FAIL if found.bound is Bound.LOWER else threshold.decide(found.score)
        return InspectionResult(
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
            seal=seal,
            patch_scores=patch_scores,
            anomaly_map=anomaly_map,
            frame=frame,
        )

    def _use_manifest(self, manifest: Manifest, mask: NDArray[np.uint8] | None) -> None:
        """Let a manifest's threshold hold from the next frame on."""
        ignored = None
        if mask is not None:
            grid = (manifest.grid.height, manifest.grid.width)
            ignored = np.flatnonzero(find_ignored(mask, manifest.preprocessing, grid))
        seal = seal_of(manifest)
        with self._turn:
            self._manifest, self._seal, self._ignored = manifest, seal, ignored
            if ignored is not None:
                hints = self._bundle.hints[ignored]
                first = hints[:, 0] if hints.shape[1] else np.zeros(len(ignored), np.int32)
                self._unsuspicious = self._bundle.bank[first]

    def _exported_threshold(self) -> float:
        """The threshold that the golden frames' decisions were made with."""
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
