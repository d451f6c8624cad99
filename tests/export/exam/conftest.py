"""Fixtures of the exam's tests: marked parts of `discs`, and what two bundles say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from softcore_export.data.confirmed_images import find_confirmed
from softcore_export.data.dataset import TrainingImages
from softcore_export.data.training_set import TrainingSet
from softcore_export.exam.marked_parts import gather_parts
from softcore_export.exam.outcome import ExamOutcome
from softcore_export.exam.sitting import sit_exam
from softcore_export.export import Export, PreparedExport
from softcore_runtime import Inspector

Mark = Callable[..., TrainingSet]


@pytest.fixture
def mark(prepared: PreparedExport) -> Mark:
    """A function that marks images: the training set of `discs` with these parts confirmed."""

    def confirm(good: list[Path] = [], bad: list[Path] = []) -> TrainingSet:  # noqa: B006
        images = prepared.images
        confirmed = find_confirmed(good, bad)
        TrainingImages(images.folder, images.paths).confirm(confirmed)
        digests = frozenset(confirmed.digests[path] for path in confirmed.good)
        return replace(images, confirmed=digests, defects=confirmed.bad)

    return confirm


@pytest.fixture
def outcome(exported: Export, mark: Mark, small_parts: dict[str, list[Path]]) -> ExamOutcome:
    """The outcome of an exam of four good and four bad parts, by one bundle twice."""
    images = mark(bad=small_parts["bad"])
    marked = gather_parts(exported.path, images)
    good = [
        replace(part, label="good", path=path, name=f"good/{path.name}", sha256="a" * 63 + str(row))
        for row, (part, path) in enumerate(zip(marked.parts, small_parts["good"], strict=True))
    ]
    everything = replace(marked, parts=(*good, *marked.parts))
    inspector = Inspector.load(exported.path)
    return sit_exam(exported.path, everything, inspector, {}, inspector.bundle.preprocessing)


@pytest.fixture
def small_parts(labelled_discs: Path) -> dict[str, list[Path]]:
    """Four good images, and four with plain defects."""
    return {
        "good": [labelled_discs / "good" / f"{number}.png" for number in range(4)],
        "bad": [labelled_discs / "spot" / f"{number}.png" for number in range(4, 8)],
    }
