"""Shadow camera: the bundle on trial at one camera, what it said, and where it differs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import get_args

from softcore_runtime import Decision, FrameError

from softcore_edge_app.cameras.frame_checks import find_fault
from softcore_edge_app.decisions.invalid_kinds import LineKind
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.decisions.shadow_opinion import OpinionBatch, ShadowBundle, ShadowOpinion
from softcore_edge_app.pipeline.controls import Difference, ShadowStatus
from softcore_edge_app.pipeline.recipes import Recipe

__all__ = ["ShadowCamera", "is_worth_asking"]

_LISTED = 200  # differences that are kept, the last ones
_MOST_UNNOTED = 10_000  # opinions that wait for the ledger; a megabyte or two
_REMEMBERED = 100  # triggers that were dealt with
_STUCK = 10.0  # seconds after which an inspection hangs; a real one takes well under one


@dataclass(eq=False)
class ShadowCamera:
    """The bundle on trial at a camera. Its owner's lock guards all of it.

    Attributes:
        name: name of the camera.
        number: number of the camera in the process, from 0.
        given: the bundles on trial by the recipe that they are tried beside, as the configuration names them.
        recipe: the recipe in use.
        opened: the bundle on trial beside that recipe; None where there is none, or it can't be opened.
        fault: why it can't be opened, in plain words.
        stale: whether another one is to be opened.
        patient: whether its parts wait for the bundle on trial, and none is skipped.
        pausing: whether the next inspection is waiting for it now.
        waiting: decided parts that it will be asked about: one at most, unless `patient`.
        expected: triggers whose parts are to be waited for, as far as they aren't done with.
        busy_since: since when it is inspecting, in seconds of the monotonic clock; None if it isn't.
        noted_at: when its opinions were last noted, likewise.
    """

    name: str
    number: int
    given: dict[str, str]
    recipe: str
    opened: Recipe | None = None
    fault: str | None = None
    stale: bool = True
    patient: bool = False
    pausing: bool = False
    waiting: deque[PublishedDecision] = field(default_factory=deque)
    expected: deque[str] = field(default_factory=deque)
    busy_since: float | None = None
    noted_at: float = field(default_factory=time.monotonic)
    _done: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _seen: int = 0
    _differing: int = 0
    _skipped: int = 0
    _seal: str | None = None  # of the bundle that these were counted of
    _differences: deque[Difference] = field(default_factory=lambda: deque(maxlen=_LISTED))
    _unnoted: deque[tuple[ShadowBundle, ShadowOpinion]] = field(
        default_factory=lambda: deque(maxlen=_MOST_UNNOTED)
    )
    _unnoted_skips: int = 0

    @property
    def stuck(self) -> str | None:
        """What hangs, in plain words, or None."""
        since = self.busy_since
        if since is None or time.monotonic() - since < _STUCK:
            return None
        return f"an inspection has taken {time.monotonic() - since:.0f} s"

    @property
    def trouble(self) -> str | None:
        """Why it isn't asked, in plain words, or None; also where there is nothing to ask."""
        return self.fault or self.stuck if self.recipe in self.given else None

    @property
    def unnoted(self) -> int:
        """Number of opinions that are in no note yet."""
        return len(self._unnoted)

    def adopt(self, opened: Recipe | None, fault: str | None) -> None:
        """Take a bundle on trial that was opened, or the reason why it wasn't."""
        self.opened, self.fault, self.stale = opened, fault, False

    def drop(self, recipe: str) -> None:
        """Drop the bundle on trial, for another recipe or for none; the new one is to be opened."""
        self.skip_waiting()
        self.recipe, self.opened, self.fault, self.stale = recipe, None, None, True
        self._forget()

    def offer(self, published: PublishedDecision) -> None:
        """Take a decided part to be asked about; one that still waits is skipped for it."""
        if self.recipe not in self.given or self.fault or not is_worth_asking(published):
            self._done.append(published.record.trigger)
        elif self.opened is None or (self.patient and self.stuck):
            self.skip(published)
        else:
            if not self.patient:
                self.skip_waiting()
            self.waiting.append(published)

    def skip(self, published: PublishedDecision) -> None:
        """Count a part that isn't asked about."""
        self._skipped += 1
        self._unnoted_skips += 1
        self._done.append(published.record.trigger)

    def skip_waiting(self) -> None:
        """Skip the parts that wait."""
        while self.waiting:
            self.skip(self.waiting.popleft())

    @property
    def behind(self) -> int:
        """Number of expected parts that it wasn't asked about, and will be."""
        while self.expected and self.expected[0] in self._done:
            self.expected.popleft()
        return 0 if self.opened is None or self.stuck else len(self.expected)

    def add(
        self, published: PublishedDecision, shadow: ShadowBundle, opinion: ShadowOpinion, *, keeps: bool
    ) -> None:
        """Add an opinion.

        Args:
            published: the line's decision.
            shadow: the bundle on trial.
            opinion: what it says.
            keeps: whether it is to be noted.
        """
        record = published.record
        if shadow.bundle != self._seal:
            self._forget()
            self._seal = shadow.bundle
        self._seen += 1
        if opinion.decision is not record.decision:
            self._differing += 1
            self._differences.append(Difference(record, shadow, opinion))
        if keeps:
            self._unnoted.append((shadow, opinion))
        self._done.append(record.trigger)

    def take_batches(self) -> list[OpinionBatch]:
        """Remove and return what is to be noted, a batch for each bundle or threshold."""
        batches = [
            OpinionBatch(shadow, 0, tuple(opinion for _, opinion in found))
            for shadow, found in groupby(self._unnoted, lambda one: one[0])
        ]
        self._unnoted.clear()
        shadow = self._describe_opened()
        if shadow and not batches and self._unnoted_skips:
            batches = [OpinionBatch(shadow, 0, ())]
        if batches:
            batches[-1] = replace(batches[-1], skipped=self._unnoted_skips)
            self._unnoted_skips = 0
        return batches

    def return_batches(self, batches: Sequence[OpinionBatch]) -> None:
        """Take back what couldn't be noted."""
        for batch in reversed(batches):
            self._unnoted.extendleft((batch.shadow, opinion) for opinion in reversed(batch.opinions))
            self._unnoted_skips += batch.skipped

    def list_differences(self) -> list[Difference]:
        """Return the last differences, the newest first."""
        return list(reversed(self._differences))

    def describe(self) -> ShadowStatus | None:
        """Return the status; None where no bundle is on trial beside the recipe in use."""
        path = self.given.get(self.recipe)
        if path is None:
            return None
        fault = self.trouble or (None if self.opened else "is being opened")
        shadow = self._describe_opened()
        return ShadowStatus(
            path=path,
            fault=fault,
            bundle=shadow.bundle if shadow else None,
            category=shadow.category if shadow else None,
            threshold=shadow.threshold if shadow else None,
            provisional=shadow.provisional if shadow else None,
            seen=self._seen,
            differing=self._differing,
            skipped=self._skipped,
        )

    def ask(self, published: PublishedDecision, *, fast: bool) -> tuple[ShadowBundle, ShadowOpinion]:
        """Ask the bundle on trial about a part; called without the lock.

        Args:
            published: the line's decision; `is_worth_asking` has agreed.
            fast: whether only the decision is needed, and no exact score.
        """
        record, frame, opened = published.record, published.frame, self.opened
        shadow = self._describe_opened()
        if opened is None or shadow is None or frame is None or frame.image is None:
            raise ValueError(f"trigger {record.trigger} can't be asked about")
        fault = find_fault(frame, opened.checks)
        if fault is None:
            try:
                result = opened.inspect(frame.image, fast=fast, camera=self.number)
            except FrameError as error:
                fault = str(error)
            else:
                held = {"threshold": result.threshold, "fail_above": result.fail_above}
                shadow = ShadowBundle(**{**vars(shadow), "bundle": result.seal, **held})
                return shadow, ShadowOpinion.from_result(record.number, record.trigger, result)
        return shadow, ShadowOpinion.invalid(record.number, record.trigger, fault)

    def fail(
        self, published: PublishedDecision, error: Exception
    ) -> tuple[ShadowBundle, ShadowOpinion] | None:
        """Return the opinion on a part on which the bundle on trial failed by an internal error."""
        shadow, record = self._describe_opened(), published.record
        reason = f"internal error: {type(error).__name__}: {error}"
        return (shadow, ShadowOpinion.invalid(record.number, record.trigger, reason)) if shadow else None

    def _describe_opened(self) -> ShadowBundle | None:
        opened, path = self.opened, self.given.get(self.recipe)
        if opened is None or path is None:
            return None
        inspector = opened.inspector
        manifest, seal = inspector.manifest, inspector.seal
        threshold = manifest.threshold
        return ShadowBundle(
            seal, path, manifest.category, threshold.value, threshold.upper, threshold.provisional
        )

    def _forget(self) -> None:
        """Forget the counts, which are of another bundle or another threshold."""
        self._seen = self._differing = self._skipped = 0
        self._differences.clear()


def is_worth_asking(published: PublishedDecision) -> bool:
    """Return whether a part's image was there to be inspected, and the line had time for it."""
    record, frame = published.record, published.frame
    if frame is None or frame.image is None or frame.reason is not None:
        return False
    return record.decision is not Decision.INVALID or record.kind not in get_args(LineKind)
