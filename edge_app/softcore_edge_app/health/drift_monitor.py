"""Drift: whether parts, and the images of them, still are what the threshold was chosen for."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from softcore_runtime import Bound, Decision, Inspector
from softcore_runtime.bundle.baseline import Baseline, measure_baseline, take_logarithm
from softcore_runtime.bundle.threshold import Calibration
from softcore_runtime.bundle.training import QUANTITIES, measure_image_statistics

from softcore_edge_app.configuration.options import DriftOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.health.control_chart import PACES, ControlChart, Pace, ShareChart

__all__ = ["DriftMonitor", "DriftReading", "Reference", "ReferenceFinder", "find_references"]

_EVERY = 5  # parts to one whose look is measured: that takes half a millisecond or more
_KEPT = 64  # cameras' bundles, with a threshold, that are remembered, with their charts
_NOUNS = {
    "score": "scores of good parts are",
    **{quantity: f"{quantity} of the images is" for quantity in QUANTITIES},
}
_SHARES = {Decision.FAIL: "fail_share", Decision.REVIEW: "review_share"}  # what share of the parts is that

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """Where a quantity usually lies, and when that was: "at calibration"."""

    baseline: Baseline
    when: str


ReferenceFinder = Callable[[str, str], Mapping[str, Reference] | None]


@dataclass(frozen=True)
class DriftReading:
    """How far a quantity has drifted, on one of its two averages.

    Attributes:
        camera, category: whose.
        quantity: `score`, `brightness`, `contrast`, `sharpness`, `fail_share` or `review_share`.
        pace: of the average, `fast` or `slow`.
        change: 0.12 is 12 % more than the reference; of a share of the parts, that share.
        raised: whether that is an alarm.
        when: of the reference; of a share, what is usual.
    """

    camera: str
    category: str
    quantity: str
    pace: Pace
    change: float
    raised: bool
    when: str

    def __str__(self) -> str:
        if self.quantity in _SHARES.values():
            decision = self.quantity.partition("_")[0].upper()
            return (
                f"{self.camera}, {self.category}: {self.change:.0%} of the latest parts are {decision}, "
                f"{self.when} ({self.pace} alarm)"
            )
        way = "higher" if self.change > 0 else "lower"
        return (
            f"{self.camera}, {self.category}: {_NOUNS[self.quantity]} {abs(self.change):.0%} {way} "
            f"than {self.when} ({self.pace} alarm)"
        )


class DriftMonitor:
    """Follows the parts of each camera and bundle; says what it finds, logs each alarm once, acts on nothing.

    Of all parts that were inspected, whatever the decision, the shares of FAIL and REVIEW are followed, and
    how the image of every fifth looks: what good parts alone tell is nothing where all of them FAIL. Scores
    are those of parts that PASS, and only where they are exact for every part (not with `--fast`). What a
    bundle knows is the reference; what it doesn't know is learned from the first `learn` parts. Each
    threshold begins anew.

    Args:
        options: when to raise an alarm.
        find: gives, by camera and the seal of a manifest, what that bundle knows; None where the camera
            decides by another one by now. Asked at a bundle's first part, in the thread that publishes: it
            must not read a disk.
    """

    def __init__(self, options: DriftOptions, find: ReferenceFinder) -> None:
        self._options = options
        self._find = find
        self._lock = threading.Lock()
        self._watches: OrderedDict[tuple[str, str], _CameraCharts] = OrderedDict()
        self._current: dict[str, tuple[str, str]] = {}

    def add(self, decided: PublishedDecision) -> None:
        """Take a decision; at once, and never raises."""
        entry = decided.record
        if entry.decision is Decision.INVALID:
            return
        watch = self._find_charts(entry)
        if watch is None:
            return
        watch.parts += 1
        values = {}
        # A decision alone has exact scores for the parts that took a search, and those are higher.
        exact = decided.result is not None and entry.bound == Bound.EXACT
        if entry.decision is Decision.PASS and exact and entry.score is not None:
            values["score"] = entry.score
        if watch.parts % _EVERY == 1 and decided.frame is not None and decided.frame.image is not None:
            values.update(
                zip(QUANTITIES, measure_image_statistics(decided.frame.image).tolist(), strict=True)
            )
        with self._lock:
            for quantity, value in values.items():
                watch.add(quantity, value)
            for decision, quantity in _SHARES.items():
                watch.shares[quantity].add(entry.decision is decision)
            self._tell(entry.camera, watch)

    def _tell(self, camera: str, watch: _CameraCharts) -> None:
        """Say on standard error which alarms were raised just now, and which ended; each once."""
        raised = watch.list_raised()
        if raised == watch.told:
            return
        for deviation in _describe(camera, watch):
            if (deviation.quantity, deviation.pace) in raised - watch.told:
                _log.error("alarm: %s", deviation)
        for quantity, pace in sorted(watch.told - raised):
            _log.info("%s, %s: the %s alarm of %s has ended", camera, watch.category, pace, quantity)
        watch.told = raised

    def _find_charts(self, entry: DecisionRecord) -> _CameraCharts | None:
        key = entry.camera, entry.bundle
        watch = self._watches.get(key)
        if watch is None:
            known = self._find(entry.camera, entry.bundle)
            if known is None:  # a part from just before a switch
                return None
            watch = _CameraCharts(entry.category, known, self._options)
        with self._lock:
            self._watches[key] = watch
            self._watches.move_to_end(key)
            if len(self._watches) > _KEPT:
                self._watches.popitem(last=False)
            self._current[entry.camera] = key
        return watch

    def describe(self) -> list[DriftReading]:
        """Give all that is followed on what each camera decides by just now; what is being learned is not."""
        with self._lock:
            return [
                deviation
                for camera, key in self._current.items()
                if (watch := self._watches.get(key))
                for deviation in _describe(camera, watch)
            ]

    def list_alarms(self) -> list[str]:
        """Say what is drifting, in plain words."""
        return [str(deviation) for deviation in self.describe() if deviation.raised]


class _CameraCharts:
    """The charts of one camera and bundle, and the values of which others are still to be made."""

    def __init__(self, category: str, known: Mapping[str, Reference], options: DriftOptions) -> None:
        self.category = category
        self.parts = 0
        self.told: set[tuple[str, Pace]] = set()
        self.shares = {name: ShareChart(getattr(options, name), options) for name in _SHARES.values()}
        self.usual = {name: f"usually {getattr(options, name):.0%} at most" for name in _SHARES.values()}
        self.charts = {
            quantity: (ControlChart(reference.baseline, options), reference.when)
            for quantity, reference in known.items()
        }
        self._learning: dict[str, list[float]] = {}
        self._options = options

    def list_raised(self) -> set[tuple[str, Pace]]:
        charts: dict[str, ControlChart | ShareChart] = {
            **self.shares,
            **{quantity: chart for quantity, (chart, _) in self.charts.items()},
        }
        return {
            (quantity, pace) for quantity, chart in charts.items() for pace in PACES if chart.raised[pace]
        }

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


def _describe(camera: str, watch: _CameraCharts) -> list[DriftReading]:
    found: list[tuple[str, Pace, float, bool, str]] = [
        (quantity, pace, chart.get_change(pace), chart.raised[pace], when)
        for quantity, (chart, when) in watch.charts.items()
        for pace in PACES
    ]
    found += [
        (quantity, pace, share.get_share(pace), share.raised[pace], watch.usual[quantity])
        for quantity, share in watch.shares.items()
        for pace in PACES
    ]
    return [DriftReading(camera, watch.category, *one) for one in found]


def find_references(inspector: Inspector, baselines: Mapping[str, Baseline]) -> dict[str, Reference]:
    """Find what a bundle knows of good parts, by quantity; reads nothing from the disk.

    The calibration's good images tell; of the threshold, or of the last one before it for which scores meant
    the same. The training images tell how images look, and nothing of scores: theirs, each against
    the bank without its own entries, are higher than those of new parts.

    Args:
        inspector: which has it open.
        baselines: the baselines of its training images, see `Recipe.baselines`.
    """
    manifest, backbone = inspector.manifest, inspector.backbone
    found = {quantity: Reference(baseline, "in training") for quantity, baseline in baselines.items()}
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
