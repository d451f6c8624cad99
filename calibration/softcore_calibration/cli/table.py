"""Table: the findings in a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from softcore_runtime.bundle.threshold import Rate

from softcore_calibration.calibration import CalibrationResult

__all__ = ["describe_findings"]

_PARTS = 10_000


def describe_findings(findings: CalibrationResult) -> Iterator[str]:
    """Return the lines: threshold, promise, both rates, separation of the classes, what to expect."""
    threshold, calibration, before = findings.threshold, findings.calibration, findings.manifest.threshold
    good = f"{_count(len(findings.good), 'good')}" if findings.good else "its training images"
    bad = f" and {_count(len(findings.bad), 'bad')}" if findings.bad else ""
    yield f"{findings.path}: calibrated on {good}{bad}"
    was = f"was {before.value:.6g}{', provisional' if before.provisional else ''}"
    zone = f", REVIEW up to {threshold.fail_above:.6g}" if threshold.fail_above is not None else ""
    yield f"  threshold  {threshold.value:.6g}{zone} ({was})"
    yield f"  promise    {calibration.promise}"
    yield f"  overkill   {_describe_rate(calibration.overkill, 'good', calibration.confidence)}"
    yield f"  escape     {_describe_rate(calibration.escape, 'bad', calibration.confidence)}"
    if findings.auroc is not None:
        yield f"  classes    AUROC {findings.auroc:.4f}, average precision {findings.average_precision:.4f}"
    yield f"  expect     {_describe_expectation(findings)}"
    for data_warning in findings.data_warnings:
        yield f"  warning    {data_warning}"


def _describe_rate(rate: Rate | None, kind: str, confidence: float) -> str:
    if rate is None:
        return f"unknown: no {kind} images were given"
    return (
        f"{rate.value:.2%} ({rate.count} of {rate.parts} {kind}; with {confidence:.4g} confidence "
        f"{rate.low:.2%} to {rate.high:.2%} of all)"
    )


def _describe_expectation(findings: CalibrationResult) -> str:
    """Describe what to expect of 10,000 parts at the defect rate."""
    rate = findings.defect_rate
    told = [
        _describe_expected(found, share * _PARTS, words)
        for found, share, words in (
            (findings.calibration.overkill, 1 - rate, "good ones that fail"),
            (findings.calibration.escape, rate, "bad ones that pass"),
        )
        if found is not None
    ]
    return f"of {_PARTS:,} parts with {rate:.4g} defective: {', '.join(told)}"


def _describe_expected(rate: Rate, parts: float, words: str) -> str:
    return f"{rate.value * parts:.0f} {words} ({rate.low * parts:.0f} to {rate.high * parts:.0f})"


def _count(n: int, kind: str) -> str:
    return f"{n} {kind} image{'' if n == 1 else 's'}"
