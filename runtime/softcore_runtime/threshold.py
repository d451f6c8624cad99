"""Threshold: a bundle's limit, what it promises and what that promise rests on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from softcore_runtime.baseline import Baseline
from softcore_runtime.engine import Engine, Precision, Provider
from softcore_runtime.inspection import Decision
from softcore_runtime.record import Record, Sha256

__all__ = ["Calibration", "Rate", "Threshold"]


class Rate(Record):
    """A share of parts: `count` of `parts` looked at, and the exact interval for all parts like them."""

    count: int = Field(ge=0)
    parts: int = Field(gt=0)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)

    @property
    def value(self) -> float:
        """The share in the sample."""
        return self.count / self.parts


class Calibration(Record):
    """What a limit rests on.

    `source` says whether the good parts' scores are of pictures shown to `softcore-calibrate`, or the
    training pictures' own, each against the bank without its entries. The hashes are over the sorted
    contents of the pictures. `engine`, on `provider` in `precision`, computed the scores; `confidence` is the
    intervals'. `baselines` tells where the good pictures that pass lie, by quantity: `score`, `brightness`,
    `contrast`, `sharpness`; None where they were too few, or training pictures stood in.
    """

    objective: str
    parameters: dict[str, float]
    promise: str
    confidence: float = Field(gt=0, lt=1)
    overkill: Rate | None
    escape: Rate | None
    source: Literal["pictures", "training"]
    good_sha256: Sha256 | None
    bad_sha256: Sha256 | None
    engine: Engine
    provider: Provider = "cpu"  # as all were before this was written down
    precision: Precision
    created: datetime
    tool: str
    baselines: dict[str, Baseline] | None = None


class Threshold(Record):
    """The limit: a part whose score is above `value` doesn't PASS. `provisional` until it is calibrated.

    Attributes:
        value: the limit.
        provisional: whether the export set it.
        method: how it was chosen, in words.
        fail_above: with a grey zone, the score above which a part is a FAIL; up to it, it is a REVIEW.
        min_area: the score is that of the `min_area`th highest pixel of the anomaly map, so a part fails
            where that many pixels are above the limit; None: the score is the highest patch's.
        mask: the file in the bundle that marks what is not inspected.
        calibration: what it rests on; None where nobody calibrated it.
    """

    value: float = Field(gt=0)
    provisional: bool
    method: str
    fail_above: float | None = None
    min_area: int | None = Field(default=None, ge=1)
    mask: str | None = Field(default=None, pattern=r"^mask-[0-9a-f]{16}\.png$")
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Threshold:
        if self.fail_above is not None and not self.fail_above >= self.value:
            raise ValueError(f"fail_above ({self.fail_above:g}) must not be below value ({self.value:g})")
        return self

    @property
    def upper(self) -> float:
        """The score above which a part is a FAIL."""
        return self.value if self.fail_above is None else self.fail_above

    def decide(self, score: float) -> Decision:
        """Decide on a score; one that is just the limit still passes, NaN never does."""
        if score <= self.value:
            return Decision.PASS
        return Decision.REVIEW if score <= self.upper else Decision.FAIL
