"""Review session: the choices of a person so far, and the exports made with them."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.images.file_names import to_text

from softcore_export.contamination.choices import Choice, Choices, choices_path, write_choices
from softcore_export.contamination.look_estimate import LookEstimate, estimate_after_looks
from softcore_export.export import Export, PreparedExport, settle
from softcore_export.windows.drawn_region import DrawnRegion

__all__ = [
    "ImageCard",
    "ImageFilter",
    "ImagePage",
    "LookAgain",
    "ReviewSession",
    "ReviewState",
    "count_noun",
]

LookAgain = Callable[[DrawnRegion], AbstractContextManager[PreparedExport]]
ImageFilter = Literal["suspects", "all", "chosen"]


class ImageCard(BaseModel):
    """An image on the page; files with the same content share one card.

    Attributes:
        sha256: of the file.
        names: of the files, below the training folder.
        suspicion: as a multiple of the threshold.
        did: what the last export did with the image, in words.
        choice: a person's choice.
        pending: whether the bundle was made with another choice, or with none.
        marks: row and column of the marked patches: those chosen, else those above the threshold.
    """

    sha256: str
    names: list[str]
    suspicion: float
    did: str
    choice: Choice | None
    pending: bool
    marks: list[tuple[int, int]]


class ImagePage(BaseModel):
    """The first cards, and the number of all that a filter lets through."""

    total: int
    cards: list[ImageCard]


class ReviewState(BaseModel):
    """The parts of the page that an export or a choice changes.

    Attributes:
        threshold, excluded: of the last export, in words.
        cards: number of cards of each filter.
        pending: number of choices that aren't in the bundle.
        exports: number of finished exports, the first included.
        running: seconds for which an export has been running; None if none is.
        usual: seconds that the last export took.
        outcome: of the last export, in words.
        failed: whether the last export failed; it then changed nothing.
        region: what is inspected by the choices, or by the command line, in words.
        region_pending: whether the bundle inspects another region, so that the next export looks at the
            images again.
        looks: number of times that the images were looked at; the page's grid is that of the last one.
        looking: whether the running export is looking at the images again.
        estimate: what the choices say of all images, in words; nothing before the first.
    """

    threshold: str
    excluded: str
    cards: dict[ImageFilter, int]
    pending: int
    exports: int
    running: float | None
    usual: float | None
    outcome: str
    failed: bool
    region: str
    region_pending: bool
    looks: int
    looking: bool
    estimate: str


@dataclass(frozen=True)
class _ImageContent:
    """A content of image files: the rows of the training images with it, the most suspect first."""

    rows: list[int]
    names: list[str]
    suspicion: float


class ReviewSession:
    """One review: the choices so far, and the last export made with them.

    The threads that serve the page request exports; `run_exports` does them in its caller's thread. A region
    that a person draws changes the features: the next export then looks at all images again, by `look_again`.
    Where that is None, as the command line gives the region, the drawn one is only saved.
    """

    def __init__(
        self,
        prepared: PreparedExport,
        target: Path,
        choices: Choices,
        report: Callable[[Export], None],
        look_again: LookAgain | None = None,
    ) -> None:
        self.prepared, self.target, self.choices = prepared, target, choices
        self.drawn_at_start = choices.region
        self.looks, self.looking = 1, False
        self._look_again = look_again
        self._features = ExitStack()  # of the last look, but for the first
        self.token = secrets.token_urlsafe(32)
        self.done: Export | None = None
        self.exports = 0
        self.running_since: float | None = None
        self.usual: float | None = None
        self.outcome, self.failed = "", False
        self._exported = Choices()  # what is in the bundle
        self._report = report
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[Literal["export", "finish"]] = queue.SimpleQueue()
        self.by_digest = _list_contents(prepared)

    def export(self) -> None:
        """Build the bundle with the choices as they are now.

        Raises:
            As `settle`. The old bundle and the choices stay as they were, and the page shows the error.
        """
        choices, before = self.choices, self.done
        self.running_since = start = time.monotonic()
        features = ExitStack()
        try:
            prepared = self._prepare(choices.region, features)
            prepared, done = settle(prepared, self.target, choices)
        except BaseException as error:
            features.close()
            self.looking = False
            if isinstance(error, Exception):
                told = str(error) if isinstance(error, SoftCoreError) else f"{type(error).__name__}: {error}"
                self.outcome, self.failed = to_text(" ".join(told.split())), True
                self.running_since = None  # stays set after Ctrl-C, which ends the review
            raise
        if prepared is not self.prepared:  # its contamination estimate differs
            self.done, self.prepared, self.by_digest = None, prepared, _list_contents(prepared)
        if self.looking:
            self.looking, self.looks = False, self.looks + 1
            self._features.close()
            self._features = features
        self.done, self._exported = done, choices
        self.usual = time.monotonic() - start
        self.outcome, self.failed = _describe_changes(before, done, self.usual), False
        self.exports += 1
        self.running_since = None
        self._report(done)

    def close(self) -> None:
        """Delete the features of the images that this review looked at again."""
        self._features.close()

    def _prepare(self, drawn: DrawnRegion, features: ExitStack) -> PreparedExport:
        """Return what an export of this region starts from; the features are deleted with `features`."""
        if self._look_again is None or drawn == self.prepared.settings.windows.drawn:
            return self.prepared
        self.looking = True
        return features.enter_context(self._look_again(drawn))

    def run_exports(self) -> None:
        """Run requested exports until the end is requested; a failure is shown on the page."""
        while self._requests.get() == "export":
            # The session must go on after any fault, or choices would be lost.
            with contextlib.suppress(Exception):
                self.export()

    def request(self, request: Literal["export", "finish"]) -> bool:
        """Request an export or the end from `run_exports`; return False while an export is running."""
        with self._lock:
            if self.running_since is not None:
                return False
            if request == "export":
                self.running_since = time.monotonic()
            self._requests.put(request)
        return True

    def choose(self, digest: str, choice: Choice | None) -> None:
        """Save a choice, or remove it if it is None.

        Raises:
            UsageError: it can't be written; the earlier choice stays.
        """
        if choice and choice.patches:
            choice = choice.model_copy(update={"place": self.prepared.settings.preprocessing.region})
        with self._lock:
            images = {key: old for key, old in self.choices.images.items() if key != digest}
            self._save({"images": images | ({digest: choice} if choice else {})})

    def draw(self, region: DrawnRegion) -> None:
        """Save the region that a person drew.

        Raises:
            UsageError: it can't be written; the earlier one stays.
        """
        with self._lock:
            self._save({"region": region})

    def _save(self, changes: Mapping[str, object]) -> None:
        choices = self.choices.model_copy(update=changes)
        write_choices(choices_path(self.target), choices)
        self.choices = choices

    @property
    def follows_region(self) -> bool:
        """Whether this review's exports follow the region that is drawn."""
        return self._look_again is not None

    @property
    def region_pending(self) -> bool:
        """Whether the bundle inspects another region than the drawn one, which the next export follows."""
        return self.follows_region and self.choices.region != self._exported.region

    def pending(self, digest: str) -> bool:
        """Return whether the bundle was made with another choice for this image, or with none."""
        return self.choices.images.get(digest) != self._exported.images.get(digest)

    def patches(self, digest: str) -> NDArray[np.float32]:
        """Return the suspicion of each patch, float32 `[H, W]`."""
        rows = self.by_digest[digest].rows
        patches: NDArray[np.float32] = self.prepared.estimate.patches[rows].max(axis=0)
        return patches.reshape(self.prepared.grid)

    def kept(self, digest: str) -> NDArray[np.bool_]:
        """Return which patches the last export kept, bool `[H, W]`; all before the first export."""
        if self.done is None:
            return np.ones(self.prepared.grid, np.bool_)
        return np.asarray(self.done.kept[self.by_digest[digest].rows].all(axis=0)).reshape(self.prepared.grid)

    def find(self, show: ImageFilter, name: str = "") -> list[str]:
        """Return the digests of the images that pass a filter, the most suspect first."""
        passes: dict[ImageFilter, Callable[[str], bool]] = {
            "suspects": lambda digest: self.by_digest[digest].suspicion > 1,
            "all": lambda _: True,
            "chosen": self.choices.images.__contains__,
        }
        wanted = name.strip().casefold()
        return [
            digest
            for digest, content in self.by_digest.items()
            if passes[show](digest) and any(wanted in own.casefold() for own in content.names)
        ]

    def card(self, digest: str) -> ImageCard:
        """Return the card of an image."""
        content, choice = self.by_digest[digest], self.choices.images.get(digest)
        marked = choice and choice.action == "exclude patches"
        place = self.prepared.settings.preprocessing.region
        marks = ~choice.kept(self.prepared.grid, place) if choice and marked else self.patches(digest) > 1
        return ImageCard(
            sha256=digest,
            names=content.names,
            suspicion=content.suspicion,
            did=_describe_kept(self.kept(digest)) if self.done else "none yet",
            choice=choice,
            pending=self.pending(digest),
            marks=[(int(row), int(column)) for row, column in np.argwhere(marks)],
        )

    def state(self) -> ReviewState:
        """Return the state of the page outside its cards."""
        since, done = self.running_since, self.done
        return ReviewState(
            threshold=f"{done.manifest.threshold.value:.4g}" if done else "none yet",
            excluded=_describe_excluded(done.kept) if done else "nothing yet",
            cards={show: len(self.find(show)) for show in ("suspects", "all", "chosen")},
            pending=sum(map(self.pending, self.by_digest)) + self.region_pending,
            exports=self.exports,
            running=None if since is None else time.monotonic() - since,
            usual=self.usual,
            outcome=self.outcome,
            failed=self.failed,
            region=self._describe_region(),
            region_pending=self.region_pending,
            looks=self.looks,
            looking=self.looking,
            estimate=self._estimate().describe(),
        )

    def _estimate(self) -> LookEstimate:
        """Estimate the share of defective images: those kept are good, all others with a choice defective."""
        looked = [self.choices.images[digest] for digest in self.by_digest if digest in self.choices.images]
        return estimate_after_looks([choice.action != "keep" for choice in looked], len(self.by_digest))

    def _describe_region(self) -> str:
        given = self.prepared.settings.windows.name_region()
        return to_text(f"by {given}") if given else self.choices.region.describe()


def _list_contents(prepared: PreparedExport) -> dict[str, _ImageContent]:
    """List the images by the SHA-256 of their content, the most suspect first."""
    images, rows = prepared.images, dict[str, list[int]]()
    names = {name: [name] for name in images.names}
    for copy in images.copies:
        if copy.alike != "near":  # copies that were not learned themselves
            names.get(copy.original, []).append(copy.path)
    for row in np.argsort(-prepared.estimate.images, kind="stable").tolist():
        rows.setdefault(images.digests[row], []).append(row)
    learned = images.names
    return {
        digest: _ImageContent(
            own,
            [name for row in own for name in names[learned[row]]],
            float(prepared.estimate.images[own[0]]),
        )
        for digest, own in rows.items()
    }


def _describe_kept(kept: NDArray[np.bool_]) -> str:
    if kept.all():
        return "used all of it"
    return f"excluded {(~kept).sum():,} of its {kept.size:,} patches" if kept.any() else "excluded all of it"


def _describe_excluded(kept: NDArray[np.bool_]) -> str:
    """Describe what is excluded of the images, kept being bool `[N, P]`."""
    whole = ~kept.any(axis=1)
    partly = ~kept.all(axis=1) & ~whole
    told = [count_noun(int(whole.sum()), "image")] if whole.any() else []
    if partly.any():
        more = "more" if told else "images" if partly.sum() > 1 else "image"
        told.append(
            f"{count_noun(int((~kept[partly]).sum()), 'patch', 'patches')} of {partly.sum():,} {more}"
        )
    return " and ".join(told) or "nothing"


def _describe_changes(before: Export | None, after: Export, seconds: float) -> str:
    """Describe what an export changed."""
    threshold, excluded = after.manifest.threshold.value, _describe_excluded(after.kept)
    told = f"Exported in {seconds:.1f} s. "
    if before is None:
        return told + f"Decision threshold {threshold:.4g}. Excluded: {excluded}."
    old = before.manifest.threshold.value
    was = _describe_excluded(before.kept)
    told += f"Decision threshold {old:.4g} → {threshold:.4g}. "
    return told + f"Excluded now: {excluded}" + (f" (before: {was})." if was != excluded else ", as before.")


def count_noun(n: int, one: str, many: str = "") -> str:
    """Word a number with its noun; the plural is `many`, or else ends in s."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
