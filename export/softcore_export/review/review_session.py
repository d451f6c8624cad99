"""Review session: the choices of a person so far, and the exports made with them."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.images.file_names import to_text

from softcore_export.contamination.choices import Choice, Choices, choices_path, write_choices
from softcore_export.contamination.estimate import reconsider
from softcore_export.contamination.look_estimate import LookEstimate, estimate_after_looks
from softcore_export.contamination.look_order import LookValues, value_looks
from softcore_export.export import Export, PreparedExport, settle
from softcore_export.review.image_card import AlikeImage, ImageCard, ImageContent, list_contents
from softcore_export.review.look_queue import ImageFilter, ImageOrder, LookQueue
from softcore_export.review.outcome import describe_changes, describe_excluded, describe_kept
from softcore_export.review.review_state import ReviewState
from softcore_export.windows.drawn_region import DrawnRegion

__all__ = ["LookAgain", "ReviewSession"]

_ROUND = 10  # answers, after which they count in how suspect the other images are

LookAgain = Callable[[DrawnRegion], AbstractContextManager[PreparedExport]]


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
        self.by_digest: dict[str, ImageContent] = list_contents(prepared)
        self._valued = 0  # answers that count in these values
        self._values = self._value_looks()
        self.queue = self._queue_looks({})

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
        with self._lock:  # a person goes on choosing
            if prepared is not self.prepared:  # its contamination estimate differs
                self.done, self.prepared, self.by_digest = None, prepared, list_contents(prepared)
            self.done, self._exported = done, choices
            self._values = self._value_looks()
            self.queue = self._queue_looks({})
        if self.looking:
            self.looking, self.looks = False, self.looks + 1
            self._features.close()
            self._features = features
        self.usual = time.monotonic() - start
        self.outcome, self.failed = describe_changes(before, done, self.usual), False
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

    def choose(self, digests: Iterable[str], choice: Choice | None) -> None:
        """Save the same choice for some images, or remove theirs if it is None.

        Raises:
            UsageError: it can't be written; the earlier choice stays.
        """
        if choice and choice.patches:
            choice = choice.model_copy(update={"place": self.prepared.settings.preprocessing.region})
        with self._lock:
            changed = set(digests)
            images = {key: old for key, old in self.choices.images.items() if key not in changed}
            self._save({"images": images | (dict.fromkeys(sorted(changed), choice) if choice else {})})
            pending = {key for key in self.choices.images if key in self.by_digest and self.pending(key)}
            if abs(len(self.choices.images) - self._valued) >= _ROUND:
                self._values = self._value_looks()
            self.queue = self._queue_looks(self.queue.list_asked(pending))

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

    def find(self, show: ImageFilter, order: ImageOrder = "worth", name: str = "") -> list[str]:
        """Return the digests of the images that pass a filter, see `LookQueue.find`."""
        return self.queue.find(show, order, name, self.choices.images)

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
            did=describe_kept(self.kept(digest)) if self.done else "none yet",
            choice=choice,
            pending=self.pending(digest),
            marks=[(int(row), int(column)) for row, column in np.argwhere(marks)],
            alike=[
                AlikeImage(sha256=other, name=self.by_digest[other].names[0])
                for other in self.queue.find_followers(digest)
            ],
        )

    def state(self) -> ReviewState:
        """Return the state of the page outside its cards."""
        since, done = self.running_since, self.done
        return ReviewState(
            threshold=f"{done.manifest.threshold.value:.4g}" if done else "none yet",
            excluded=describe_excluded(done.kept) if done else "nothing yet",
            cards={show: len(self.find(show)) for show in ("worth", "suspects", "all", "chosen")},
            undecided=sum(digest not in self.choices.images for digest in self.find("worth")),
            rest=self.queue.describe_rest(self.choices.images),
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
        looked = [self.choices.images.get(digest) for digest in self.by_digest]  # the most suspect first
        suspects = sum(content.suspicion > 1 for content in self.by_digest.values())
        answers = [None if look is None else look.action != "keep" for look in looked]
        return estimate_after_looks(answers, suspects)

    def _value_looks(self) -> LookValues:
        """Value looks at the images, given what the last export did and what is known by now."""
        self._valued = len(self.choices.images)
        prepared, done = self.prepared, self.done
        known = self.choices.find_known(prepared.images.digests)
        estimate = reconsider(prepared.estimate, known, prepared.inspected)
        kept = estimate.kept if done is None else done.kept
        origins = np.empty((0, 3), np.int32) if done is None else done.find_passing()
        return value_looks(estimate, kept, origins, prepared.grid)

    def _queue_looks(self, asked: Mapping[str, list[str]]) -> LookQueue:
        """Queue the images by what a look is worth, given the choices; `asked` stay in their places."""
        digests = self.prepared.images.digests
        looked = [self.choices.images.get(digest) for digest in digests]
        answers = [np.nan if look is None else float(look.action != "keep") for look in looked]
        return LookQueue(self.by_digest, digests, self._values.order(np.array(answers)), asked)

    def _describe_region(self) -> str:
        given = self.prepared.settings.windows.name_region()
        return to_text(f"by {given}") if given else self.choices.region.describe()
