"""Review session: what a person has chosen so far, and the exports made with it."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.images.file_names import to_text

from softcore_export.contamination.choices import Choice, Choices, choices_path, write_choices
from softcore_export.export import Export, Prepared, settle

__all__ = ["Card", "Page", "Session", "Show", "State", "count"]

Show = Literal["suspects", "all", "chosen"]


class Card(BaseModel):
    """An image on the page; files with the same content share one, most suspect first.

    Attributes:
        sha256: of the file.
        names: of the files, below the training folder.
        suspicion: times the threshold.
        did: what the last export did, in words.
        choice: a person's.
        pending: the bundle was made with another choice, or with none.
        marks: row and column of the patches that are marked: chosen, else above the threshold.
    """

    sha256: str
    names: list[str]
    suspicion: float
    did: str
    choice: Choice | None
    pending: bool
    marks: list[tuple[int, int]]


class Page(BaseModel):
    """The first cards, of so many."""

    total: int
    cards: list[Card]


class State(BaseModel):
    """What of the page an export or a choice changes; texts are ready to be read.

    Attributes:
        threshold, excluded: by the last export.
        cards: how many each filter shows.
        pending: how many choices aren't in the bundle.
        exports: how many have been finished, the first included.
        running: an export is, for so many seconds; None where none is.
        usual: seconds that the last one took.
        outcome: of the last one; `failed`, where it changed nothing.
    """

    threshold: str
    excluded: str
    cards: dict[Show, int]
    pending: int
    exports: int
    running: float | None
    usual: float | None
    outcome: str
    failed: bool


@dataclass(frozen=True)
class _Subject:
    """An image by its content: the rows of its files, the most suspect first."""

    rows: list[int]
    names: list[str]
    suspicion: float


class Session:
    """One review: the choices so far, and the last export made with them.

    Whoever serves the page asks for exports from its threads; `work` does them, in its caller's.
    """

    def __init__(
        self, prepared: Prepared, target: Path, choices: Choices, report: Callable[[Export], None]
    ) -> None:
        self.prepared, self.target, self.choices = prepared, target, choices
        self.token = secrets.token_urlsafe(32)
        self.done: Export | None = None
        self.exports = 0
        self.running_since: float | None = None
        self.usual: float | None = None
        self.outcome, self.failed = "", False
        self._exported = Choices()  # what is in the bundle
        self._report = report
        self._lock = threading.Lock()
        self._orders: queue.SimpleQueue[Literal["export", "finish"]] = queue.SimpleQueue()
        self.subjects = _list_subjects(prepared)

    def export(self) -> None:
        """Build the bundle with the choices as they are now.

        Raises:
            As `settle`. The old bundle and the choices are as they were, and the page tells of it.
        """
        choices, before = self.choices, self.done
        self.running_since = start = time.monotonic()
        try:
            prepared, done = settle(self.prepared, self.target, choices)
        except Exception as error:
            told = str(error) if isinstance(error, SoftCoreError) else f"{type(error).__name__}: {error}"
            self.outcome, self.failed = to_text(" ".join(told.split())), True
            self.running_since = None
            raise
        if prepared is not self.prepared:  # it judges the images a little otherwise
            self.prepared, self.subjects = prepared, _list_subjects(prepared)
        self.done, self._exported = done, choices
        self.usual = time.monotonic() - start
        self.outcome, self.failed = _compare(before, done, self.usual), False
        self.exports += 1
        self.running_since = None  # not after Ctrl-C, which ends all
        self._report(done)

    def work(self) -> None:
        """Export whenever that is asked for, until the end is; a failure goes to the page."""
        while self._orders.get() == "export":
            with contextlib.suppress(Exception):  # the choices must outlive even a fault of ours
                self.export()

    def ask(self, request: Literal["export", "finish"]) -> bool:
        """Ask `work` for an export or the end; False while an export is running."""
        with self._lock:
            if self.running_since is not None:
                return False
            if request == "export":
                self.running_since = time.monotonic()
            self._orders.put(request)
        return True

    def choose(self, digest: str, choice: Choice | None) -> None:
        """Save a choice, or take it back.

        Raises:
            UsageError: it can't be written; what was chosen before stays.
        """
        with self._lock:
            images = {key: old for key, old in self.choices.images.items() if key != digest}
            if choice:
                images[digest] = choice
            choices = Choices(images=images)
            write_choices(choices_path(self.target), choices)
            self.choices = choices

    def pending(self, digest: str) -> bool:
        """Tell whether the bundle was made with another choice of this image, or with none."""
        return self.choices.images.get(digest) != self._exported.images.get(digest)

    def patches(self, digest: str) -> NDArray[np.float32]:
        """Give the suspicion of each patch, float32 `[H, W]`."""
        rows = self.subjects[digest].rows
        patches: NDArray[np.float32] = self.prepared.estimate.patches[rows].max(axis=0)
        return patches.reshape(self.prepared.grid)

    def kept(self, digest: str) -> NDArray[np.bool_]:
        """Say which patches the last export kept, bool `[H, W]`; all, before the first."""
        if self.done is None:
            return np.ones(self.prepared.grid, np.bool_)
        return np.asarray(self.done.kept[self.subjects[digest].rows].all(axis=0)).reshape(self.prepared.grid)

    def find(self, show: Show, name: str = "") -> list[str]:
        """Name the contents that a filter lets through, the most suspect first."""
        passes: dict[Show, Callable[[str], bool]] = {
            "suspects": lambda digest: self.subjects[digest].suspicion > 1,
            "all": lambda _: True,
            "chosen": self.choices.images.__contains__,
        }
        wanted = name.strip().casefold()
        return [
            digest
            for digest, subject in self.subjects.items()
            if passes[show](digest) and any(wanted in own.casefold() for own in subject.names)
        ]

    def card(self, digest: str) -> Card:
        """Tell of one content."""
        subject, choice = self.subjects[digest], self.choices.images.get(digest)
        marked = choice and choice.action == "exclude patches"
        marks = ~choice.kept(self.prepared.grid) if choice and marked else self.patches(digest) > 1
        return Card(
            sha256=digest,
            names=subject.names,
            suspicion=subject.suspicion,
            did=_tell_kept(self.kept(digest)) if self.done else "none yet",
            choice=choice,
            pending=self.pending(digest),
            marks=[(int(row), int(column)) for row, column in np.argwhere(marks)],
        )

    def state(self) -> State:
        """Tell of the rest."""
        since, done = self.running_since, self.done
        return State(
            threshold=f"{done.manifest.threshold.value:.4g}" if done else "none yet",
            excluded=_tell_excluded(done.kept) if done else "nothing yet",
            cards={show: len(self.find(show)) for show in ("suspects", "all", "chosen")},
            pending=sum(map(self.pending, self.subjects)),
            exports=self.exports,
            running=None if since is None else time.monotonic() - since,
            usual=self.usual,
            outcome=self.outcome,
            failed=self.failed,
        )


def _list_subjects(prepared: Prepared) -> dict[str, _Subject]:
    """List the contents of the images by their SHA-256, the most suspect first."""
    images, rows = prepared.images, dict[str, list[int]]()
    for row in np.argsort(-prepared.estimate.images, kind="stable").tolist():
        rows.setdefault(images.digests[row], []).append(row)
    names = {path: [to_text(path.relative_to(images.folder).as_posix())] for path in images.read}
    for copy, original in {**images.repeated, **images.redrawn}.items():  # which are learned once
        names.get(original, []).append(to_text(copy.relative_to(images.folder).as_posix()))
    return {
        digest: _Subject(
            own,
            [name for row in own for name in names[images.read[row]]],
            float(prepared.estimate.images[own[0]]),
        )
        for digest, own in rows.items()
    }


def _tell_kept(kept: NDArray[np.bool_]) -> str:
    if kept.all():
        return "used all of it"
    return f"excluded {(~kept).sum():,} of its {kept.size:,} patches" if kept.any() else "excluded all of it"


def _tell_excluded(kept: NDArray[np.bool_]) -> str:
    """Say what of the images is excluded, kept being bool `[N, P]`."""
    whole = ~kept.any(axis=1)
    partly = ~kept.all(axis=1) & ~whole
    told = [count(int(whole.sum()), "image")] if whole.any() else []
    if partly.any():
        more = "more" if told else "images" if partly.sum() > 1 else "image"
        told.append(f"{count(int((~kept[partly]).sum()), 'patch', 'patches')} of {partly.sum():,} {more}")
    return " and ".join(told) or "nothing"


def _compare(before: Export | None, after: Export, seconds: float) -> str:
    """Say what an export changed."""
    threshold, excluded = after.manifest.threshold.value, _tell_excluded(after.kept)
    told = f"Exported in {seconds:.1f} s. "
    if before is None:
        return told + f"Decision threshold {threshold:.4g}. Excluded: {excluded}."
    old = before.manifest.threshold.value
    was = _tell_excluded(before.kept)
    told += f"Decision threshold {old:.4g} → {threshold:.4g}. "
    return told + f"Excluded now: {excluded}" + (f" (before: {was})." if was != excluded else ", as before.")


def count(n: int, one: str, many: str = "") -> str:
    """Put a number before its noun; the plural is `many`, or else ends in s."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
