"""Trust options: the keys that bundles must be signed by."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, field_validator
from softcore_runtime.signing.public_key import parse_public
from softcore_runtime.signing.trust import Trust

__all__ = ["TrustOptions"]


class TrustOptions(BaseModel):
    """Whose bundles and thresholds this line takes: docs/how-to/sign-bundles.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[str, ...] = Field(
        description="public keys, as `softcore keys` prints them, that may sign bundles and thresholds. "
        "Every bundle of the line must be signed by one of them: those of recipes and shadows, too"
    )
    calibration_keys: tuple[str, ...] = Field(
        default=(), description="further public keys, that may sign thresholds only"
    )

    @field_validator("keys")
    @classmethod
    def _demand_key(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if not keys:
            raise ValueError("names no key, so that no bundle would be taken; leave [trust] out to take any")
        return keys

    @field_validator("keys", "calibration_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            parse_public(key)
        return keys

    @cached_property
    def trust(self) -> Trust:
        """The keys, as bundles are read with them."""
        return Trust(self.keys, self.calibration_keys)
