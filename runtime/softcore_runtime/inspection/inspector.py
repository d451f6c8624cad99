"""Inspector: a loaded bundle that decides on frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.backbones import share_backbone
from softcore_runtime.backends.engine import Backbone, Engine, Provider, describe_backbone
from softcore_runtime.bundle.bundle import BACKBONE, Bundle, manifest_path, read_bundle, read_manifest
from softcore_runtime.bundle.manifest import Manifest, describe
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import BundleCorruptError, SelfTestError
from softcore_runtime.inspection.active_manifest import ActiveManifest, check_override, explain_difference
from softcore_runtime.inspection.features import FeatureExtractor
from softcore_runtime.inspection.inspector_card import show_inspector
from softcore_runtime.inspection.result import InspectionResult
from softcore_runtime.inspection.scoring import FrameScorer
from softcore_runtime.inspection.self_test import GoldenFrames
from softcore_runtime.regular_file import read_file_version
from softcore_runtime.search.index_choice import choose_index
from softcore_runtime.search.search import Search
from softcore_runtime.signing.trust import Trust

__all__ = ["Inspector"]


class Inspector:
    """A loaded bundle that decides on frames, of any number of cameras.

    `decide` returns a decision as soon as it is certain, `inspect` draws the whole anomaly map as well; both
    decide as an exhaustive search would. Calls from several threads take turns. In a notebook it shows the
    bundle and its golden frames.

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
        scorer = self._scorer = FrameScorer(search, bundle.manifest)
        features = self._features = FeatureExtractor(bundle, backbone)
        lock = self._lock = threading.Lock()

        # Not a method: a reference to this object would be a cycle, which keeps the network in memory.
        def score_patches(frame: NDArray[np.uint8], threshold: float) -> tuple[float, NDArray[np.float32]]:
            with lock:  # without a mask
                return scorer.score_patches(features.compute([frame])[0][0], threshold)

        self._golden = GoldenFrames(bundle, backbone, score_patches)
        self._manifest_version = bundle.manifest_version
        self._active = ActiveManifest.read(bundle, bundle.manifest)

    def __repr__(self) -> str:
        network = f"{self.manifest.backbone.name}, {describe_backbone(self._backbone)}"
        return f"Inspector({str(self._bundle.path)!r}, {describe(self.manifest)}, network={network!r})"

    def _repr_html_(self) -> str:
        """Show the bundle and its golden frames, in a notebook."""
        return show_inspector(self._bundle, self.manifest, self.network, self.remark)

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
        trust: Trust | None = None,
    ) -> Inspector:
        """Read and verify a bundle, warm up, and repeat its golden frames.

        Args:
            path: the bundle's folder.
            engine: what runs the network, `onnxruntime` or `openvino`; `auto` takes what `provider` needs; on
                a CPU the one that computed the bank's features, or else the fastest that is installed.
            provider: what computes, `tensorrt`, `cuda` or `cpu`; `auto` takes the first that can.
            threads: threads of the network and the index; None takes every CPU that this process may use.
            self_test: compare the golden frames' scores with those at export, and check that one of them
                fails at the threshold in use.
            build: let TensorRT build engines, for minutes, also if `auto` takes it; if named it always does.
            any_threshold: also take a bundle whose threshold lets every golden frame pass, to set another.
            trust: keys that the bundle, and each later threshold, must be signed by; None asks for none.

        Returns:
            the inspector, ready for its first frame.

        Raises:
            BundleError: the bundle is missing, changed, truncated, too new, not trusted, or fails its test.
            MissingLibraryError: `engine` isn't installed, or none is.
            ProviderError: `provider` can't compute here, and why.
            UsageError: `engine` doesn't have `provider`.

        Example:
            >>> Inspector.load(path, engine="onnxruntime", provider="cpu", threads=1).network
            'onnxruntime in fp32'
        """
        bundle = read_bundle(Path(path), trust)
        manifest = bundle.manifest
        backbone = share_backbone(
            bundle.path / BACKBONE,
            manifest.files[BACKBONE].sha256,
            engine,
            manifest.backbone.precision,
            threads,
            provider,
            preferred=manifest.backbone.engine,
            build=build,
        )
        index = choose_index(bundle, backbone, threads)
        inspector = cls(
            bundle, backbone, Search(bundle.bank, bundle.weights, bundle.floors, index, bundle.hints)
        )
        inspector._features.warm_up()
        if self_test:
            inspector.golden.check()
            fault = None if any_threshold else inspector.explain_threshold(inspector.manifest.threshold)
            if fault:
                raise SelfTestError(
                    f"{bundle.path}: {fault}; set another threshold with softcore-calibrate, or export again"
                )
        return inspector

    @property
    def bundle(self) -> Bundle:
        """The bundle as it was loaded; `manifest` has the threshold in use.

        Example:
            >>> inspector.bundle.bank.shape
            (768, 3)
        """
        return self._bundle

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest, with the threshold in use.

        Example:
            >>> inspector.manifest.threshold.value
            12.0
        """
        return self._active.manifest

    @property
    def seal(self) -> str:
        """The seal of `manifest`, SHA-256 in hex; each result has that of the manifest that decided.

        Example:
            >>> inspector.seal == inspector.inspect(frame).seal
            True
        """
        return self._active.seal

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
        here = describe_backbone(self._backbone)
        return f"{here} ({self._backbone.choice})" if self._backbone.choice else here

    @property
    def remark(self) -> str | None:
        """A remark that this machine computes otherwise than the threshold's did; None if it computes alike.

        Example:
            >>> inspector.remark is None
            True
        """
        return explain_difference(self.manifest, self._backbone)

    @property
    def golden(self) -> GoldenFrames:
        """The golden frames, which can be scored again on this machine.

        Example:
            >>> inspector.golden.check() < 0.01
            True
        """
        return self._golden

    def decide(self, frame: NDArray[np.generic], camera: int = 0) -> InspectionResult:
        """Decide on one frame, as soon as the decision is certain.

        Args:
            frame: uint8 or uint16, BGR `[H, W, 3]`, BGRA `[H, W, 4]` or grey `[H, W]`; 16 bits are taken as
                full range. No side is shorter than 8 pixels. The result keeps a reference to it.
            camera: number of the frame's camera, from 0: the entries that certified its last frame are
                compared first.

        Returns:
            the decision, with the score or a bound of it, and no map.

        Raises:
            AlignmentError: the bundle aligns frames, and the part is not where it should be; a `FrameError`.
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
        return self._run([frame], [camera], drawn=False)[0]

    def inspect(self, frame: NDArray[np.generic], camera: int = 0) -> InspectionResult:
        """Decide on one frame as `decide` would, with its exact score and its whole anomaly map.

        Arguments and errors are those of `decide`.

        Example:
            >>> inspector.inspect(bad_frame)
            InspectionResult(FAIL, score=..., ... x threshold, map 32x32, ... ms)
        """
        return self._run([frame], [camera], drawn=True)[0]

    def decide_batch(
        self, frames: Sequence[NDArray[np.generic]], cameras: Sequence[int] | None = None
    ) -> list[InspectionResult]:
        """Decide on frames of several cameras in one run of the network.

        Args:
            frames: frames of any size, each as for `decide`.
            cameras: number of each frame's camera, as for `decide`; None numbers them 0, 1, 2 and so on.

        Returns:
            a result for each frame, in the same order; `[]` for no frames.

        Raises:
            FrameError: as `decide`, for the first frame that is wrong; then none is decided on.
            ValueError: `cameras` has another length than `frames`.

        Example:
            >>> results = inspector.decide_batch([frame, bad_frame], cameras=[3, 1])
            >>> [str(result.decision) for result in results]
            ['PASS', 'FAIL']
        """
        return self._run(frames, cameras, drawn=False)

    def inspect_batch(
        self, frames: Sequence[NDArray[np.generic]], cameras: Sequence[int] | None = None
    ) -> list[InspectionResult]:
        """Decide on frames of several cameras in one run of the network, with their maps.

        Arguments, return value and errors are those of `decide_batch`.

        Example:
            >>> [result.anomaly_map.shape for result in inspector.inspect_batch([frame, bad_frame])]
            [(32, 32), (32, 32)]
        """
        return self._run(frames, cameras, drawn=True)

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
        check_override(self.manifest, threshold, mask)
        manifest = self.manifest.model_copy(update={"threshold": threshold})
        self._activate(ActiveManifest.prepare(self._bundle, manifest, mask))

    def explain_threshold(self, threshold: Threshold) -> str | None:
        """Explain why a threshold can't be used: no golden frame would fail by it.

        Args:
            threshold: the threshold; its `mask` isn't read, since a mask may hide the spoiled part of a
                golden frame.

        Returns:
            why, in words that follow the bundle's name; None if it can be used.

        Example:
            >>> from softcore_runtime.bundle.threshold import Threshold
            >>> inspector.explain_threshold(Threshold(value=15, provisional=False, method="by hand")) is None
            True
            >>> inspector.explain_threshold(Threshold(value=1e9, provisional=False, method="by hand"))
            'at a threshold of 1e+09 no golden frame fails (the highest score is ...'
        """
        return self._golden.explain_threshold(threshold)

    @property
    def is_stale(self) -> bool:
        """Whether the manifest's file was written since it was read; takes one `stat`.

        Example:
            >>> inspector.is_stale
            False
        """
        return read_file_version(manifest_path(self._bundle.path)) != self._manifest_version

    def refresh(self) -> bool:
        """Use the threshold that was set in the bundle since; quick enough to be called before every frame.

        Returns:
            whether the threshold has changed.

        Raises:
            BundleError: the manifest can't be read, or is another export's, or no golden frame fails at its
                threshold. The threshold in use stays; the error is raised once for each change of the file.

        Example:
            >>> from softcore_runtime.bundle.threshold_change import set_threshold
            >>> from softcore_runtime.bundle.threshold import Threshold
            >>> new = Threshold(value=15, provisional=False, method="by hand")
            >>> _ = set_threshold(path, new, inspector.manifest)
            >>> inspector.refresh(), inspector.manifest.threshold.value
            (True, 15.0)
        """
        path = self._bundle.path
        version = read_file_version(manifest_path(path))
        if version == self._manifest_version:
            return False
        self._manifest_version = version
        manifest = read_manifest(path, self._bundle.trust)
        if not manifest.same_export(self.manifest):
            raise BundleCorruptError(
                f"{path}: was exported anew; the earlier export is in use until a restart"
            )
        if fault := self.explain_threshold(manifest.threshold):
            raise SelfTestError(f"{path}: {fault}; the earlier threshold stays in use")
        earlier = self.manifest.threshold
        self._activate(ActiveManifest.read(self._bundle, manifest))
        return manifest.threshold != earlier

    def _run(
        self, frames: Sequence[NDArray[np.generic]], cameras: Sequence[int] | None, *, drawn: bool
    ) -> list[InspectionResult]:
        """Decide on frames, with their maps if `drawn`."""
        cameras = range(len(frames)) if cameras is None else cameras
        if len(cameras) != len(frames):
            raise ValueError(f"{len(frames)} frames of {len(cameras)} cameras")
        if not len(frames):
            return []
        start = time.perf_counter()
        with self._lock:
            active = self._active
            features, registrations = self._features.compute(frames)
            patches, threshold = active.apply_mask(features), active.manifest.threshold
            compute = self._scorer.inspect if drawn else self._scorer.decide
            scores = [compute(one, threshold, camera) for one, camera in zip(patches, cameras, strict=True)]
        milliseconds = 1000 * (time.perf_counter() - start) / len(frames)
        return [
            score.decide(frame, active, self._backbone.provider, milliseconds, registration)
            for frame, score, registration in zip(frames, scores, registrations, strict=True)
        ]

    def _activate(self, active: ActiveManifest) -> None:
        """Use a manifest's threshold from the next frame on."""
        with self._lock:
            self._active = active
