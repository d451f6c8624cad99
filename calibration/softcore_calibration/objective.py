"""Objective: what a threshold is chosen for."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Objective"]


@dataclass(frozen=True)
class Objective:
    """An objective of a calibration.

    Attributes:
        kind: name of the option: overkill, escape, band, cost, f1, youden, percentile or value.
        parameters: its numbers. overkill: share; escape: share; band: overkill and escape; cost: escape,
            overkill and defects (without it the share of bad parts in the sample); f1, youden: none;
            percentile: percent; value: value.
        confidence: of the promise; None for the marginal promise.
        band_width: half of the width of a grey zone around the threshold, as a share of it; None for none.

    Example:
        >>> Objective().kind, Objective().parameters
        ('overkill', {'share': 0.01})
    """

    kind: str = "overkill"
    parameters: dict[str, float] = field(default_factory=lambda: {"share": 0.01})
    confidence: float | None = None
    band_width: float | None = None
