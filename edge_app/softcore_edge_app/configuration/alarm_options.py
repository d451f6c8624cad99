"""Alarm options: the rules by which a line raises alarms, and those that it has without being told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["DEFAULT_ALARMS", "AlarmLevel", "AlarmOptions", "add_defaults"]

AlarmLevel = Literal["warning", "alarm"]


class AlarmOptions(BaseModel):
    """A rule: what raises an alarm of a camera, how grave that is, and how long it must have lasted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decisions: tuple[Literal["FAIL", "REVIEW", "INVALID"], ...] = Field(
        default=(),
        description="the decisions that are counted, such as `FAIL` or `[FAIL, INVALID]`. Without `INVALID` "
        "only parts that were inspected count",
    )
    image: Literal["brightness", "sharpness"] | None = Field(
        default=None, description="instead of `decisions`: a quantity of the images, whatever is decided"
    )
    parts: int = Field(
        default=50,
        ge=1,
        le=10_000,
        description="number of the last parts that are looked at; for `image` those whose mean is compared",
    )
    count: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="for `decisions`: how many of them raise it; as many as `parts` are so many in a row",
    )
    share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="for `decisions`, instead of `count`: which share of all parts of the running shift "
        "raises it, such as 0.05, once the shift has `parts` of them",
    )
    change: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="for `image`: by which share the mean must differ, such as 0.02, and by 6 of its "
        "standard deviations",
    )
    reference: int = Field(
        default=100,
        ge=30,
        le=10_000,
        description="for `image`: number of parts before those, to compare with",
    )
    level: AlarmLevel = Field(
        default="alarm",
        description="`alarm` stays until somebody has acknowledged it; `warning` ends by itself",
    )
    delay_parts: int = Field(
        default=0, ge=0, le=10_000, description="number of further parts for which it must hold"
    )
    delay_seconds: float = Field(
        default=0.0, ge=0, le=86_400, description="seconds for which it must hold, beside `delay_parts`"
    )
    enabled: bool = Field(default=True, description="false switches the rule off")

    @field_validator("decisions", mode="before")
    @classmethod
    def _accept_one(cls, decisions: Any) -> Any:
        return (decisions,) if isinstance(decisions, str) else decisions

    def find_clash(self) -> str | None:
        """Return which keys don't go together, and what to do; None if they do.

        Example:
            >>> AlarmOptions(decisions="FAIL", parts=5, count=6).find_clash()
            'count is 6, of the last 5 parts; give a smaller count, or more parts'
        """
        if bool(self.decisions) == (self.image is not None):
            return "takes either decisions or image; give one of the two"
        if self.decisions and ((self.count is None) == (self.share is None) or self.change is not None):
            return (
                "decisions go with count (how many of the last parts raise it) or share (of the parts of the "
                "shift), one of the two, and without change"
            )
        if self.image and (self.change is None or self.count is not None or self.share is not None):
            return "image goes with change (by which share the images must differ), without count and share"
        if self.count is not None and self.count > self.parts:
            return (
                f"count is {self.count}, of the last {self.parts} parts; give a smaller count, or more parts"
            )
        return None


_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "fail-run": {"decisions": ("FAIL",), "parts": 10, "count": 10},
    "fail-share": {"decisions": ("FAIL",), "parts": 50, "count": 20},
    "invalid-run": {"decisions": ("INVALID",), "parts": 10, "count": 10},
    "invalid-share": {"decisions": ("INVALID",), "parts": 50, "count": 10, "level": "warning"},
    "brightness-jump": {"image": "brightness", "parts": 25, "change": 0.02, "level": "warning"},
    "sharpness-jump": {"image": "sharpness", "parts": 25, "change": 0.1, "level": "warning"},
}
DEFAULT_ALARMS: Final[Mapping[str, AlarmOptions]] = MappingProxyType(
    {name: AlarmOptions(**rule) for name, rule in _DEFAULTS.items()}
)


def add_defaults(rules: Any) -> Any:
    """Return the tables of rules, as a file has them, with those that a line has without being told.

    A table with the name of one of those changes the keys that it gives. What is no table is left as it is,
    to be reported as wrong.

    Example:
        >>> add_defaults({"fail-run": {"count": 5, "parts": 5}})["fail-run"]
        {'decisions': ('FAIL',), 'parts': 5, 'count': 5}
    """
    if not isinstance(rules, Mapping):
        return rules
    changed = {
        name: {**_DEFAULTS.get(name, {}), **rule} if isinstance(rule, Mapping) else rule
        for name, rule in rules.items()
    }
    return {**_DEFAULTS, **changed}
