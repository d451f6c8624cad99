"""Sitting: has a new bundle, and the one that it replaces, judge the marked parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from softcore_runtime import Decision, FrameError, ImageError, Inspector
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle.files import read_file
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import BundleError, BundleNotFoundError, SoftCoreError
from softcore_runtime.exam.exam import ExamPart, draw_exam_thumbnail
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_export.contamination.contamination import FILE as CONTAMINATION
from softcore_export.contamination.contamination import Contamination
from softcore_export.exam.marked_parts import MarkedPart, MarkedParts
from softcore_export.exam.outcome import ExamOutcome, JudgedPart, Verdict

__all__ = ["sit_exam"]


class _OldBundle:
    """The bundle at a place, as it was before; what it says of parts."""

    def __init__(self, path: Path, backbone: Backbone) -> None:
        self.inspector: Inspector | None = None
        self.note = ""
        self._learned: frozenset[str] = frozenset()
        try:
            self.inspector = Inspector.load(
                path, engine=backbone.engine, provider=backbone.provider, any_threshold=True
            )
            self._learned = _read_learned(path, self.inspector.manifest)
        except BundleNotFoundError:
            pass
        except SoftCoreError as error:
            self.note = str(error)

    def judge(self, part: MarkedPart, path: Path) -> Verdict | None:
        """Return what it says of a part; None where that isn't known."""
        if self.inspector is None:
            return _recall(part.before) if self.note and part.before else None
        manifest = self.inspector.manifest
        if part.label == "good" and part.sha256 in self._learned:  # its own entries would excuse it
            before = part.before
            known = before and before.training and before.exported == manifest.created
            return _recall(before) if before and known else None
        return _inspect(self.inspector, manifest.preprocessing, path)


def sit_exam(
    target: Path,
    marked: MarkedParts,
    inspector: Inspector,
    alone: Mapping[str, float],
    preprocessing: Preprocessing,
) -> ExamOutcome:
    """Judge marked parts by a new bundle and by the one that it replaces.

    A good part that is among the new bundle's training images has its leave-one-image-out score.

    Args:
        target: the place of the bundle that is replaced; it may be missing.
        marked: the parts.
        inspector: the new bundle.
        alone: the leave-one-image-out scores of the new bundle's training images, by the SHA-256 of their
            files.
        preprocessing: of the new bundle, which reads its images.

    Example:
        >>> sit_exam(target, gather_parts(target, prepared.images), inspector, {}, small.preprocessing).judged
        ()
    """
    manifest, old = inspector.manifest, _OldBundle(target, inspector.backbone)
    judged: list[JudgedPart] = []
    records: list[ExamPart] = []
    missing: list[str] = []
    unread: list[str] = []
    for part in track(marked.parts, "exam", len(marked.parts)):
        if part.path is None:
            missing.append(part.name)
            continue
        try:
            before = old.judge(part, part.path)
            if part.label == "good" and part.sha256 in alone:
                score = float(alone[part.sha256])
                after = Verdict(score, manifest.threshold.decide(score), alone=True)
            else:
                after = _inspect(inspector, preprocessing, part.path)
            thumbnail = draw_exam_thumbnail(preprocessing.read(part.path))
            size = part.path.stat().st_size
        except (FrameError, ImageError, OSError) as error:
            unread.append(f"{part.name}: {str(error).removeprefix(f'{to_text(part.path)}: ')}")
            continue
        judged.append(JudgedPart(part.name, part.label == "bad", before, after, thumbnail))
        records.append(_record(part, size, after, manifest))
    compared = any(part.old for part in judged)
    return ExamOutcome(
        exam=marked.exam.add(records, [part.thumbnail for part in judged]),
        judged=tuple(judged),
        missing=tuple(missing),
        unread=tuple(unread),
        relabelled=tuple(part.name for part in marked.parts if part.relabelled),
        threshold=manifest.threshold,
        old_threshold=old.inspector.manifest.threshold if old.inspector and compared else None,
        learned=tuple(part.name for part in marked.parts if part.label == "bad" and part.sha256 in alone),
        note=old.note,
    )


def _inspect(inspector: Inspector, preprocessing: Preprocessing, path: Path) -> Verdict:
    frame: NDArray[np.uint8] = preprocessing.read(path)
    try:
        result = inspector.inspect(frame)
    except FrameError:
        return Verdict(math.inf, Decision.INVALID)
    return Verdict(result.score, result.decision)


def _recall(part: ExamPart | None) -> Verdict | None:
    """Return what a bundle said of a part, by its record."""
    if part is None:
        return None
    score = math.inf if part.score is None else part.score
    return Verdict(score, Decision(part.decision), part.training)


def _record(part: MarkedPart, size: int, verdict: Verdict, manifest: Manifest) -> ExamPart:
    exported: datetime = manifest.created
    return ExamPart(
        sha256=part.sha256,
        bytes=size,
        name=part.name,
        label=part.label,
        marked=part.before.marked if part.before else "export",
        training=verdict.alone,
        score=verdict.score if math.isfinite(verdict.score) else None,
        threshold=manifest.threshold.value,
        decision=verdict.decision.value,
        exported=exported,
    )


def _read_learned(path: Path, manifest: Manifest) -> frozenset[str]:
    """Return the SHA-256 of a bundle's training images; none where it has no readable list of them."""
    try:
        data = read_file(path, CONTAMINATION, manifest.files[CONTAMINATION])
        images = Contamination.model_validate_json(data).images
    except (BundleError, KeyError, ValidationError):
        return frozenset()
    return frozenset(image.sha256 for image in images)
