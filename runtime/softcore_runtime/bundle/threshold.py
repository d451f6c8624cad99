"""Threshold: a bundle's threshold, and the calibration that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from softcore_runtime.backends.engine import Engine, Precision, Provider
from softcore_runtime.bundle.baseline import Baseline
from softcore_runtime.decision import Decision
from softcore_runtime.record import Record, Sha256

__all__ = ["Calibration", "Rate", "Threshold"]


class Rate(Record):
    """A share of parts in a sample, and its exact confidence interval."""

    count: int = Field(ge=0, description="how many of the sample's parts it is")
    parts: int = Field(gt=0, description="parts in the sample")
    low: float = Field(ge=0, le=1, description="lower end of the Clopper-Pearson interval")
    high: float = Field(ge=0, le=1, description="upper end of the Clopper-Pearson interval")

    @property
    def value(self) -> float:
        """The share in the sample.

        Example:
            >>> Rate(count=5, parts=250, low=0.0065, high=0.0461).value
            0.02
        """
        return self.count / self.parts


class Calibration(Record):
    """The calibration of a threshold."""

    objective: str = Field(description="the objective that it was chosen by")
    parameters: dict[str, float] = Field(description="the objective's numbers")
    promise: str = Field(description="what it promises, in words")
    confidence: float = Field(gt=0, lt=1, description="confidence of the intervals")
    overkill: Rate | None = Field(description="good parts that fail; null without good images")
    escape: Rate | None = Field(description="bad parts that pass; null without bad images")
    source: Literal["pictures", "training"] = Field(
        description="whose scores the good parts' are: of images given to `softcore-calibrate` (`images`), "
        "or the training images' own, each against the memory bank without its entries (`training`)"
    )
    good_sha256: Sha256 | None = Field(description="SHA-256 over the sorted contents of the good images")
    bad_sha256: Sha256 | None = Field(description="SHA-256 over the sorted contents of the bad images")
    engine: Engine = Field(description="what ran the network")
    provider: Provider = Field(  # the default is for manifests that were written without it
        default="cpu", description="what it computed on"
    )
    precision: Precision = Field(description="what it computed in")
    created: datetime = Field(description="when it was calibrated")
    tool: str = Field(description="what calibrated it, with its version")
    baselines: dict[str, Baseline] | None = Field(
        default=None,
        description="where the good images that pass lie, by quantity: `score`, `brightness`, `contrast`, "
        "`sharpness`; null where they were too few, or training images stood in",
    )


class Threshold(Record):
    """The threshold: a part whose score is above `value` doesn't PASS.

    Example:
        >>> threshold = Threshold(value=12, provisional=True, method="by hand", fail_above=15)
        >>> threshold
        Threshold(value=12.0, fail_above=15.0, provisional=True, method='by hand')
        >>> [str(threshold.decide(score)) for score in (12, 12.1, 15.1)]
        ['PASS', 'REVIEW', 'FAIL']
    """

    value: float = Field(gt=0, description="the score up to which a part is a PASS")
    provisional: bool = Field(description="true where the export set it, and nobody calibrated it since")
    method: str = Field(description="how it was chosen, in words")
    fail_above: float | None = Field(
        default=None,
        description="with a grey zone, the score above which a part is a FAIL; up to it, it is a REVIEW",
    )
    min_area: int | None = Field(
        default=None,
        ge=1,
        description="the score is that of the `min_area`th highest pixel of the anomaly map, so a part fails "
        "where that many pixels are above the threshold; null: the score is the highest patch's",
    )
    mask: str | None = Field(
        default=None,
        pattern=r"^mask-[0-9a-f]{16}\.png$",
        description="the file in the bundle that marks what is not inspected",
    )
    calibration: Calibration | None = Field(
        default=None, description="what it rests on; null where nobody calibrated it"
    )

    @model_validator(mode="after")
    def _check_order(self) -> Threshold:
        if self.fail_above is not None and not self.fail_above >= self.value:
            raise ValueError(f"fail_above ({self.fail_above:g}) must not be below value ({self.value:g})")
        return self

    @property
    def upper(self) -> float:
        """The score above which a part is a FAIL: `fail_above`, or `value` without a grey zone.

        Example:
            >>> Threshold(value=12, provisional=True, method="by hand").upper
            12.0
        """
        return self.value if self.fail_above is None else self.fail_above

    def decide(self, score: float) -> Decision:
        """Return the decision on a score. One that equals the threshold passes, NaN never does.

        Example:
            >>> print(Threshold(value=12, provisional=True, method="by hand").decide(float("nan")))
            FAIL
        """
        if score <= self.value:
            return Decision.PASS
        return Decision.REVIEW if score <= self.upper else Decision.FAIL

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        """Yield the fields that are set, without the long calibration."""
        yield "value", self.value
        for name in ("fail_above", "min_area", "mask"):
            if (value := getattr(self, name)) is not None:
                yield name, value
        yield "provisional", self.provisional
        yield "method", self.method
