"""Replay bundles: finds the bundle that decided on a part, with the threshold that held then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from softcore_runtime import Inspector, MissingLibraryError, ProviderError
from softcore_runtime.backends.engine import ENGINES, PROVIDERS, Engine, Provider
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.image_files import read_mask
from softcore_runtime.bundle.manifest import Manifest, seal_of
from softcore_runtime.bundle.training import read_training

from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.decisions.decision_record import DecisionRecord

__all__ = ["Decider", "ReplayBundles"]


@dataclass(frozen=True, eq=False)
class Decider:
    """An inspector to repeat a decision.

    Attributes:
        inspector: the bundle's inspector, with the threshold that held.
        checks: the checks of its frames.
        sealed: whether the bundle has the seal that the record names; else only its category and threshold
            are the same.
        otherwise: how this machine computes differently from the one that decided, so that scores can't be
            equal to the last bit; None if it doesn't.
    """

    inspector: Inspector
    checks: FrameChecks
    sealed: bool
    otherwise: str | None


@dataclass(frozen=True)
class _Revision:
    """A bundle's manifest as it was while one of its thresholds held."""

    path: Path
    manifest: Manifest
    sealed: bool = True


class ReplayBundles:
    """Bundles, each loaded when it is first needed.

    Args:
        paths: their folders.
        threads: as for `Inspector.load`.

    Raises:
        BundleError: one can't be used.
    """

    def __init__(self, paths: Sequence[Path], threads: int | None = None) -> None:
        self._threads = threads
        self._revisions: dict[str, _Revision] = {}
        self._open: dict[tuple[Path, str, str], tuple[Inspector, FrameChecks]] = {}
        self._holds: dict[Inspector, Manifest] = {}
        for path in paths:
            for manifest in _list_manifests(read_manifest(path)):
                self._revisions[seal_of(manifest)] = _Revision(path, manifest)

    def prepare(self, record: DecisionRecord) -> Decider | None:
        """Return what decided on a part, the bundle with the threshold of then; None if it isn't here.

        Raises:
            BundleError: the bundle was changed, or fails its self-test.
        """
        revision = self._find(record)
        if revision is None:
            return None
        inspector, checks = self._load(revision.path, record.engine, record.provider)
        manifest = revision.manifest
        if self._holds.get(inspector) is not manifest:
            inspector.override_threshold(manifest.threshold, read_mask(revision.path, manifest))
            self._holds[inspector] = manifest
        then = _name_computer(record.engine, record.provider, record.precision)
        backbone = inspector.backbone
        here = _name_computer(backbone.engine, backbone.provider, backbone.precision)
        otherwise = None if then == here else f"{then} then, {here} here"
        return Decider(inspector, checks, revision.sealed, otherwise)

    def _find(self, record: DecisionRecord) -> _Revision | None:
        if record.bundle in self._revisions:
            return self._revisions[record.bundle]
        # An undone threshold isn't in the history any more; an earlier one may be the same.
        for revision in self._revisions.values():
            threshold = revision.manifest.threshold
            same = (threshold.value, threshold.upper) == (record.threshold, record.fail_above)
            if same and revision.manifest.category == record.category:
                return replace(revision, sealed=False)
        return None

    def _load(self, path: Path, engine: str, provider: str) -> tuple[Inspector, FrameChecks]:
        key = path, engine, provider
        if key not in self._open:
            library: Engine | Literal["auto"] = next((known for known in ENGINES if known == engine), "auto")
            part: Provider | Literal["auto"] = next(
                (known for known in PROVIDERS if known == provider), "auto"
            )
            try:
                inspector = Inspector.load(path, engine=library, provider=part, threads=self._threads)
            except (MissingLibraryError, ProviderError):
                inspector = Inspector.load(path, threads=self._threads)
            self._open[key] = inspector, FrameChecks(read_training(path))
        return self._open[key]


def _list_manifests(manifest: Manifest) -> list[Manifest]:
    """Return a bundle's manifest as it was under each of its thresholds.

    A threshold may have a mask, which stays when the threshold is undone: so each threshold may have held
    with the masks of the thresholds up to it, or with all masks.
    """
    thresholds = (*manifest.history, manifest.threshold)
    found = []
    for count, threshold in enumerate(thresholds):
        update = {"threshold": threshold, "history": thresholds[:count]}
        masks = {threshold.mask for threshold in thresholds[: count + 1]}
        files = {
            name: record
            for name, record in manifest.files.items()
            if not name.startswith("mask-") or name in masks
        }
        found += [manifest.model_copy(update=update), manifest.model_copy(update={**update, "files": files})]
    return found


def _name_computer(engine: str, provider: str, precision: str) -> str:
    return f"{engine} ({provider}) in {precision}"
