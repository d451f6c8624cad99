"""Drift monitor: whether parts and their images still are as they were when the threshold was chosen."""

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

_EVERY = 5  # parts to one whose image is measured, which takes half a millisecond or more
_KEPT = 64  # charts, by camera and bundle with its threshold
_NOUNS = {
    "score": "scores of good parts are",
    **{quantity: f"{quantity} of the images is" for quantity in QUANTITIES},
}
_SHARES = {Decision.FAIL: "fail_share", Decision.REVIEW: "review_share"}  # the share of such parts

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """The usual values of a quantity, and when they were measured: "at calibration"."""

    baseline: Baseline
    when: str


ReferenceFinder = Callable[[str, str], Mapping[str, Reference] | None]


@dataclass(frozen=True)
class DriftReading:
    """The drift of a quantity, by one of its two averages.

    Attributes:
        camera, category: of the parts.
        quantity: `score`, `brightness`, `contrast`, `sharpness`, `fail_share` or `review_share`.
        pace: of the average, `fast` or `slow`.
        change: 0.12 is 12 % more than the reference; for a share of the parts, the share itself.
        raised: whether it is an alarm.
        when: when the reference was measured; for a share, what is usual.
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
    """Monitors the parts of each camera and bundle; logs each alarm once, and acts on nothing.

    It follows the shares of FAIL and REVIEW of all inspected parts, and the image statistics of every fifth,
    whatever the decision: good parts alone would show nothing if all of them FAIL. It follows the scores of
    parts that PASS, if they are exact for every part (not with `--fast`). The reference is what the bundle
    has measured, or else the first `learn` parts. A new threshold begins new charts.

    Args:
        options: when to raise an alarm.
        find: returns the references of a bundle, by camera and the seal of its manifest; None if the camera
            uses another bundle by now. Called at a bundle's first part, in the thread that publishes: it
            must not read a disk.
    """

    def __init__(self, options: DriftOptions, find: ReferenceFinder) -> None:
        self._options = options
        self._find = find
        self._lock = threading.Lock()
        self._charts: OrderedDict[tuple[str, str], _CameraCharts] = OrderedDict()
        self._current: dict[str, tuple[str, str]] = {}

    def add(self, published: PublishedDecision) -> None:
        """Add a decision; at once, and never raises."""
        record = published.record
        if record.decision is Decision.INVALID:
            return
        charts = self._find_charts(record)
        if charts is None:
            return
        charts.parts += 1
        values = {}
        # A decision alone has exact scores for the parts that took a search, and those are higher.
        exact = published.result is not None and record.bound == Bound.EXACT
        if record.decision is Decision.PASS and exact and record.score is not None:
            values["score"] = record.score
        if charts.parts % _EVERY == 1 and published.frame is not None and published.frame.image is not None:
            values.update(
                zip(QUANTITIES, measure_image_statistics(published.frame.image).tolist(), strict=True)
            )
        with self._lock:
            for quantity, value in values.items():
                charts.add(quantity, value)
            for decision, quantity in _SHARES.items():
                charts.shares[quantity].add(record.decision is decision)
            self._log_changes(record.camera, charts)

    def _log_changes(self, camera: str, charts: _CameraCharts) -> None:
        """Log the alarms that have been raised or have ended since the last part."""
        raised = charts.list_raised()
        if raised == charts.logged:
            return
        for reading in _describe(camera, charts):
            if (reading.quantity, reading.pace) in raised - charts.logged:
                _log.error("alarm: %s", reading)
        for quantity, pace in sorted(charts.logged - raised):
            _log.info("%s, %s: the %s alarm of %s has ended", camera, charts.category, pace, quantity)
        charts.logged = raised

    def _find_charts(self, record: DecisionRecord) -> _CameraCharts | None:
        key = record.camera, record.bundle
        charts = self._charts.get(key)
        if charts is None:
            known = self._find(record.camera, record.bundle)
            if known is None:  # a part from just before a switch
                return None
            charts = _CameraCharts(record.category, known, self._options)
        with self._lock:
            self._charts[key] = charts
            self._charts.move_to_end(key)
            if len(self._charts) > _KEPT:
                self._charts.popitem(last=False)
            self._current[record.camera] = key
        return charts

    def describe(self) -> list[DriftReading]:
        """Return the drift of each camera with its bundle in use, without what is still being learned."""
        with self._lock:
            return [
                reading
                for camera, key in self._current.items()
                if (charts := self._charts.get(key))
                for reading in _describe(camera, charts)
            ]

    def list_alarms(self) -> list[str]:
        """Describe the alarms in plain words."""
        return [str(reading) for reading in self.describe() if reading.raised]


class _CameraCharts:
    """The charts of one camera and bundle, and the values from which further ones are learned."""

    def __init__(self, category: str, known: Mapping[str, Reference], options: DriftOptions) -> None:
        self.category = category
        self.parts = 0
        self.logged: set[tuple[str, Pace]] = set()
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


def _describe(camera: str, charts: _CameraCharts) -> list[DriftReading]:
    found: list[tuple[str, Pace, float, bool, str]] = [
        (quantity, pace, chart.get_change(pace), chart.raised[pace], when)
        for quantity, (chart, when) in charts.charts.items()
        for pace in PACES
    ]
    found += [
        (quantity, pace, share.get_share(pace), share.raised[pace], charts.usual[quantity])
        for quantity, share in charts.shares.items()
        for pace in PACES
    ]
    return [DriftReading(camera, charts.category, *one) for one in found]


def find_references(inspector: Inspector, baselines: Mapping[str, Baseline]) -> dict[str, Reference]:
    """Return the references of a bundle, by quantity; reads nothing from the disk.

    They come from the calibration's good images: of the threshold in use, or of the last one before it under
    which scores meant the same. The training images are a reference for image statistics, not for scores:
    their own, each against the bank without its entries, are higher than those of new parts.

    Args:
        inspector: has the bundle open.
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
            usable = _select_baselines(calibration, with_score=computed)
            return {**found, **{q: Reference(b, "at calibration") for q, b in usable.items()}}
    return found


def _select_baselines(calibration: Calibration, *, with_score: bool) -> dict[str, Baseline]:
    """Return the baselines, without that of scores if another engine or precision computed them."""
    baselines = calibration.baselines or {}
    return {
        quantity: baseline for quantity, baseline in baselines.items() if with_score or quantity != "score"
    }
