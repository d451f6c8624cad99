"""Drift: whether good parts, and the pictures of them, still are what the limit was chosen for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from softcore_runtime import Bound, BundleError, Decision, Inspector
from softcore_runtime.baseline import Baseline, measure_baseline, take_logarithm
from softcore_runtime.threshold import Calibration
from softcore_runtime.training import QUANTITIES, measure_look, read_training

from softcore_edge_app.health.control_chart import PACES, ControlChart, Pace
from softcore_edge_app.ledger.row import Entry
from softcore_edge_app.line.trigger import Decided
from softcore_edge_app.options import DriftOptions

__all__ = ["Deviation", "Drift", "Finder", "Reference", "find_references"]

_EVERY = 5  # good parts to one whose look is measured: that takes half a millisecond or more
_KEPT = 64  # cameras' bundles, with a limit, that are remembered, with their charts
_NOUNS = {
    "score": "scores of good parts are",
    **{quantity: f"{quantity} of good parts is" for quantity in QUANTITIES},
}


@dataclass(frozen=True)
class Reference:
    """Where a quantity of good parts usually lies, and when that was: "at calibration"."""

    baseline: Baseline
    when: str


Finder = Callable[[str, str], Mapping[str, Reference] | None]


@dataclass(frozen=True)
class Deviation:
    """How far a quantity has drifted, on one of its two averages.

    Attributes:
        camera, category: whose.
        quantity: `score`, `brightness`, `contrast` or `sharpness`.
        pace: of the average, `fast` or `slow`.
        change: 0.12 is 12 % more than the reference.
        raised: whether that is an alarm.
        when: of the reference.
    """

    camera: str
    category: str
    quantity: str
    pace: Pace
    change: float
    raised: bool
    when: str

    def __str__(self) -> str:
        way = "higher" if self.change > 0 else "lower"
        return (
            f"{self.camera}, {self.category}: {_NOUNS[self.quantity]} {abs(self.change):.0%} {way} "
            f"than {self.when} ({self.pace} alarm)"
        )


class Drift:
    """Follows the good parts of each camera and bundle; says what it finds, and acts on nothing.

    Only parts that PASS are taken, their scores only where they are exact for every part (not with `--fast`).
    Of every fifth the look of the picture is taken, too. What a bundle knows of good parts is the
    reference; what it doesn't know is learned from the first `learn` of them. Each limit begins anew.

    Args:
        options: when to raise an alarm.
        find: gives, by camera and the seal of a manifest, what that bundle knows of good parts; None where
            the camera decides by another one by now. Asked at a bundle's first good part.
    """

    def __init__(self, options: DriftOptions, find: Finder) -> None:
        self._options = options
        self._find = find
        self._lock = threading.Lock()
        self._watches: OrderedDict[tuple[str, str], _Watch] = OrderedDict()
        self._current: dict[str, tuple[str, str]] = {}

    def add(self, decided: Decided) -> None:
        """Take a decision; at once, and never raises."""
        entry = decided.entry
        if entry.decision is not Decision.PASS:
            return
        watch = self._find_watch(entry)
        if watch is None:
            return
        watch.parts += 1
        # A decision alone has exact scores for the parts that took a search, and those are higher.
        if decided.inspection is not None and entry.score is not None and entry.bound == Bound.EXACT:
            with self._lock:
                watch.add("score", entry.score)
        if watch.parts % _EVERY == 1 and decided.frame is not None and decided.frame.picture is not None:
            look = measure_look(decided.frame.picture)
            with self._lock:
                for quantity, value in zip(QUANTITIES, look.tolist(), strict=True):
                    watch.add(quantity, value)

    def _find_watch(self, entry: Entry) -> _Watch | None:
        key = entry.camera, entry.bundle
        watch = self._watches.get(key)
        if watch is None:
            known = self._find(entry.camera, entry.bundle)
            if known is None:  # a part from just before a switch
                return None
            watch = _Watch(entry.category, known, self._options)
        with self._lock:
            self._watches[key] = watch
            self._watches.move_to_end(key)
            if len(self._watches) > _KEPT:
                self._watches.popitem(last=False)
            self._current[entry.camera] = key
        return watch

    def describe(self) -> list[Deviation]:
        """Give all that is followed on what each camera decides by just now; what is being learned is not."""
        with self._lock:
            return [
                Deviation(
                    camera=camera,
                    category=watch.category,
                    quantity=quantity,
                    pace=pace,
                    change=chart.tell_change(pace),
                    raised=chart.raised[pace],
                    when=when,
                )
                for camera, key in self._current.items()
                if (watch := self._watches.get(key))
                for quantity, (chart, when) in watch.charts.items()
                for pace in PACES
            ]

    def list_alarms(self) -> list[str]:
        """Say what is drifting, in plain words."""
        return [str(deviation) for deviation in self.describe() if deviation.raised]


class _Watch:
    """The charts of one camera and bundle, and the values of which others are still to be made."""

    def __init__(self, category: str, known: Mapping[str, Reference], options: DriftOptions) -> None:
        self.category = category
        self.parts = 0
        self.charts = {
            quantity: (ControlChart(reference.baseline, options), reference.when)
            for quantity, reference in known.items()
        }
        self._learning: dict[str, list[float]] = {}
        self._options = options

    def add(self, quantity: str, value: float) -> None:
        if quantity in self.charts:
            self.charts[quantity][0].add(take_logarithm(value))
            return
        values = self._learning.setdefault(quantity, [])
        values.append(value)
        if len(values) >= self._options.learn and (baseline := measure_baseline(values)):
            when = f"for the first {len(values)} that were measured"
            self.charts[quantity] = ControlChart(baseline, self._options), when
            del self._learning[quantity]


def find_references(inspector: Inspector) -> dict[str, Reference]:
    """Find what a bundle knows of good parts, by quantity.

    The calibration's good pictures tell; of the limit, or of the last one before it for which scores meant
    the same. The training pictures tell how pictures look, and nothing of scores: theirs, each against
    the bank without its own entries, are higher than those of new parts. A folder that was damaged since
    tells nothing.
    """
    manifest, backbone = inspector.manifest, inspector.backbone
    try:
        training = read_training(inspector.bundle.path)
    except BundleError:
        return {}
    measured = zip(QUANTITIES, map(measure_baseline, training.looks.T), strict=True)
    found = {quantity: Reference(baseline, "in training") for quantity, baseline in measured if baseline}
    now = manifest.threshold
    for threshold in (now, *reversed(manifest.history)):
        calibration = threshold.calibration
        alike = (threshold.mask, threshold.min_area) == (now.mask, now.min_area)
        if alike and calibration and calibration.baselines:
            computed = (calibration.engine, calibration.precision) == (backbone.engine, backbone.precision)
            usable = _choose(calibration, with_score=computed)
            return {**found, **{q: Reference(b, "at calibration") for q, b in usable.items()}}
    return found


def _choose(calibration: Calibration, *, with_score: bool) -> dict[str, Baseline]:
    """Leave out the scores where another engine or precision computed them."""
    baselines = calibration.baselines or {}
    return {
        quantity: baseline for quantity, baseline in baselines.items() if with_score or quantity != "score"
    }
