"""Control charts: whether the latest values of a quantity, or a share of the parts, are as usual."""

from __future__ import annotations

import math
from typing import Final, Literal

from softcore_runtime.bundle.baseline import CLIP, Baseline

from softcore_edge_app.configuration.options import DriftOptions

__all__ = ["PACES", "ControlChart", "Pace", "ShareChart"]

Pace = Literal["fast", "slow"]
PACES: Final[tuple[Pace, Pace]] = ("fast", "slow")
_CALM = 1 / 2  # share of the threshold below which an alarm ends


class ControlChart:
    """Two exponentially weighted moving averages (EWMA; Roberts, 1959) against a baseline.

    With x the logarithm of the next part's value, c and s the baseline's centre and spread, of n parts::

        y = clip(x - c, -b, b),   b = max(3 s, 2 ln(1 + least))
        z <- z + r (y - z),       r = 2 / (N + 1)

    N is `fast` or `slow`, for a mean over some N parts. Of parts that are as they were, and independent, z
    has the variance s^2 r / (2 - r). c is itself a mean of n parts, and s an estimate whose standard
    error is some s / sqrt(2 n), taken twice. So an alarm is raised where ::

        |z| > h = max(sigmas s (1 + sqrt(2 / n)) sqrt(r / (2 - r) + 1 / n), ln(1 + least))

    and ends where |z| < h / 2, so that it doesn't come and go. Clipping bounds the influence of a single odd
    part (Lucas and Crosier, 1982); `least` is the difference between lots of good parts, which the spread
    of independent parts doesn't include. A shift by d spreads takes some ln(1 - h / (d s)) / ln(1 - r) parts.

    Args:
        baseline: centre and spread of the usual values.
        options: the number of parts to average over, and the thresholds.
    """

    def __init__(self, baseline: Baseline, options: DriftOptions) -> None:
        self.raised: dict[Pace, bool] = dict.fromkeys(PACES, False)
        self.thresholds: dict[Pace, float] = {}
        self._baseline = baseline
        least = math.log1p(options.least)
        self._bound = max(CLIP * baseline.spread, 2 * least)
        self._rates = _find_rates(options)
        self._clipped = dict.fromkeys(PACES, 0.0)
        self._plain = dict.fromkeys(PACES, 0.0)
        spread = baseline.spread * (1 + math.sqrt(2 / baseline.parts))
        for pace, rate in self._rates.items():
            deviation = spread * math.sqrt(rate / (2 - rate) + 1 / baseline.parts)
            self.thresholds[pace] = max(options.sigmas * deviation, least)

    def add(self, x: float) -> None:
        """Add the logarithm of the next value."""
        y = x - self._baseline.centre
        clipped = min(max(y, -self._bound), self._bound)
        for pace, rate in self._rates.items():
            self._plain[pace] += rate * (y - self._plain[pace])
            z = self._clipped[pace] = self._clipped[pace] + rate * (clipped - self._clipped[pace])
            threshold = self.thresholds[pace]
            self.raised[pace] = abs(z) > (threshold * _CALM if self.raised[pace] else threshold)

    def get_change(self, pace: Pace) -> float:
        """Return the change of the values as a share of the baseline: 0.12 is 12 % more.

        The clipped average proves a change but understates a large one, so the plain average is returned if
        it is larger.
        """
        z, plain = self._clipped[pace], self._plain[pace]
        return math.expm1(max(z, plain) if z > 0 else min(z, plain))


class ShareChart:
    """Two exponentially weighted moving averages of a yes or no, against the largest usual share.

    With x 1 or 0, p the usual share, and N and r as in `ControlChart`::

        z <- z + r (x - z),       h = min(p + sigmas sqrt(p (1 - p) r / (2 - r)), 1 - (1 - p) / 10)

    z begins at 0. An alarm is raised where z > h, and ends where z < h / 2. With the defaults, p = 0.1, seven
    parts in a row raise the fast one, and a lasting share of 0.18 the slow one.

    Args:
        usual: the largest share that is usual.
        options: the number of parts to average over, and the thresholds.
    """

    def __init__(self, usual: float, options: DriftOptions) -> None:
        self.raised: dict[Pace, bool] = dict.fromkeys(PACES, False)
        self.thresholds: dict[Pace, float] = {}
        self._rates = _find_rates(options)
        self._averages = dict.fromkeys(PACES, 0.0)
        for pace, rate in self._rates.items():
            deviation = math.sqrt(usual * (1 - usual) * rate / (2 - rate))
            self.thresholds[pace] = min(usual + options.sigmas * deviation, 1 - (1 - usual) / 10)

    def add(self, x: bool) -> None:
        """Add whether the next part is one."""
        for pace, rate in self._rates.items():
            z = self._averages[pace] = self._averages[pace] + rate * (x - self._averages[pace])
            threshold = self.thresholds[pace]
            self.raised[pace] = z > (threshold * _CALM if self.raised[pace] else threshold)

    def get_share(self, pace: Pace) -> float:
        """Return the share of such parts among the latest: 0.12 is 12 %."""
        return self._averages[pace]


def _find_rates(options: DriftOptions) -> dict[Pace, float]:
    return {"fast": 2 / (options.fast + 1), "slow": 2 / (options.slow + 1)}
