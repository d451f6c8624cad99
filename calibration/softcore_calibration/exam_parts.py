"""Exam parts: adds the labelled parts of a calibration to the bundle's exam, which later exports sit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from softcore_runtime import FrameError, ImageError, read_image
from softcore_runtime.bundle.folder_swap import lock_folder
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.exam.exam import (
    MOST_PARTS,
    Exam,
    ExamPart,
    draw_exam_thumbnail,
    name_part,
    read_exam,
    write_exam,
)
from softcore_runtime.exam.places import add_places

from softcore_calibration.data.scoring import ScoredImage, Scoring

__all__ = ["add_exam_parts"]

_SHOWN = 5


def add_exam_parts(bundle: Path, manifest: Manifest, scoring: Scoring) -> list[str]:
    """Add the scored images to a bundle's exam, each with the decision by the bundle's threshold.

    An image that is there already takes its new score and its latest label. Frames of videos are left out,
    since they are no files that an export could find again.

    Args:
        bundle: the bundle's folder.
        manifest: the bundle's, with the threshold that was just set.
        scoring: the scored images.

    Returns:
        a line for each thing that should be known: how many were added, which labels have changed, or why
        the exam could not be written. The bundle is in order then, too.

    Example:
        >>> add_exam_parts(path, inspector.manifest, scoring)
        ['2 parts, 2 of them new']
    """
    images = [image for image in (*scoring.good, *scoring.bad) if image.name == str(image.path)]
    videos = len(scoring.good) + len(scoring.bad) - len(images)
    if not images and not videos:
        return []
    try:
        with lock_folder(bundle):
            before = read_exam(bundle)
            after, relabelled = _add(before, images, manifest)
            write_exam(bundle, after)
        add_places(bundle, dict.fromkeys(image.path.parent for image in images))
    except SoftCoreError as error:
        return [f"warning: the exam isn't kept up: {error}"]
    except OSError as error:
        return [f"warning: the exam isn't kept up: {error.filename}: {error.strerror}"]
    known = {part.sha256 for part in before.parts}
    new = sum(part.sha256 not in known for part in after.parts)
    s = "" if len(after.parts) == 1 else "s"
    lines = [f"{len(after.parts):,} part{s}, {new:,} of them new"]
    if relabelled:
        lines.append(
            f"warning: {len(relabelled):,} part{'' if len(relabelled) == 1 else 's'} of the exam had another "
            f"label before, and the latest counts: {_name(relabelled)}"
        )
    if videos:
        lines.append(f"{videos:,} frames of videos aren't taken into it")
    if len(before.parts) + new > MOST_PARTS:
        lines.append(f"warning: an exam has at most {MOST_PARTS:,} parts: the bad and the latest ones stay")
    return lines


def _add(exam: Exam, images: Sequence[ScoredImage], manifest: Manifest) -> tuple[Exam, list[str]]:
    """Return the exam with the images, and the names of those that were marked otherwise before."""
    known = {part.sha256: (part, image) for part, image in zip(exam.parts, exam.thumbnails, strict=True)}
    parts, thumbnails, relabelled = [], [], []
    for image in track(images, "exam", len(images)):
        earlier, thumbnail = known.get(image.digest, (None, None))
        try:
            if thumbnail is None:
                thumbnail = draw_exam_thumbnail(read_image(image.path, manifest.preprocessing.white))
            size = image.path.stat().st_size
        except (FrameError, ImageError, OSError):
            continue  # it was there a moment ago, and is no more
        part = ExamPart(
            sha256=image.digest,
            bytes=size,
            name=name_part(image.path),
            label="bad" if image.defective else "good",
            marked=earlier.marked if earlier else "calibration",
            training=False,
            score=image.score,
            threshold=manifest.threshold.value,
            decision=manifest.threshold.decide(image.score).value,
            exported=manifest.created,
        )
        if earlier and earlier.label != part.label:
            relabelled.append(part.name)
        parts.append(part)
        thumbnails.append(thumbnail)
    return exam.add(parts, thumbnails), relabelled


def _name(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
