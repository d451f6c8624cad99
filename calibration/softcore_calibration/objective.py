"""Objective: what a threshold is to be chosen for."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Objective"]


@dataclass(frozen=True)
class Objective:
    """What is wanted. `kind` is the option's name, `parameters` its numbers.

    overkill: share; escape: share; band: overkill and escape; cost: escape, overkill and defects (None: the
    share of bad ones in the sample); f1, youden: none; percentile: percent; value: value. `band_width`, a
    share of the threshold, makes a grey zone around it.
    """

    kind: str = "overkill"
    parameters: dict[str, float] = field(default_factory=lambda: {"share": 0.01})
    confidence: float | None = None
    band_width: float | None = None
