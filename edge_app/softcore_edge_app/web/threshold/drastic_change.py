"""Drastic change: a threshold by which far more of the recent parts would have failed, or far fewer."""

from __future__ import annotations

from collections.abc import Mapping

from softcore_runtime import Decision

from softcore_edge_app.web.threshold.preview import Preview

__all__ = ["are_alike", "describe_rates", "is_drastic"]

_FEWEST = 5  # parts; a difference of fewer is none
_MORE = 0.05  # share of the parts by which more may fail
_FEWER = 0.5  # share of what failed that may pass
_TOLERANCE = 0.05  # of each share: the line goes on while a person reads


def is_drastic(preview: Preview) -> bool:
    """Tell whether far more, or far fewer, of the parts would have failed, or would not have passed.

    More are at least 5 parts and 5 % of all; fewer are at least 5 parts and half of those that did.
    """
    now, then = preview.now, preview.then
    return _differ(now[Decision.FAIL], then[Decision.FAIL], preview.parts) or _differ(
        preview.parts - now[Decision.PASS], preview.parts - then[Decision.PASS], preview.parts
    )


def are_alike(preview: Preview, parts: int, now: Mapping[str, int], then: Mapping[str, int]) -> bool:
    """Tell whether a person has seen these rates, or ones that differ by 5 % of the parts at most."""
    seen = [(preview.now, now), (preview.then, then)]
    return parts > 0 and all(
        abs(counts[decision] / preview.parts - other.get(decision, 0) / parts) <= _TOLERANCE
        for counts, other in seen
        for decision in counts
    )


def describe_rates(preview: Preview) -> str:
    """Describe the rates in plain words."""
    now, then = preview.now, preview.then
    review = ""
    if now[Decision.REVIEW] or then[Decision.REVIEW]:
        review = f", and {then[Decision.REVIEW]} be REVIEW, {now[Decision.REVIEW]} were"
    return (
        f"of the last {preview.parts} parts {then[Decision.FAIL]} would fail, "
        f"{now[Decision.FAIL]} did{review}"
    )


def _differ(now: int, then: int, parts: int) -> bool:
    more = then - now >= max(_FEWEST, _MORE * parts)
    return more or now - then >= max(_FEWEST, _FEWER * now)
