"""Report: a page on which a person sees what a threshold does, and moves it to see what another would do.

It is one file with everything inside, for mail and for paper; served with a token it can set the threshold.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from datetime import timezone
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from softcore_runtime import Inspector
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import UsageError
from softcore_runtime.images.file_names import to_text

from softcore_calibration.calibration import Findings
from softcore_calibration.curves import (
    bound_share,
    draw_roc,
    expect_cost,
    find_costs,
    find_steps,
    find_thresholds,
)
from softcore_calibration.data.scoring import Scored
from softcore_calibration.report.cards import draw_card, encode

__all__ = ["content_policy", "render_report", "write_report"]

_FOLDER = Path(__file__).parent
_SHOWN = 8  # images of each kind, with their maps
_THUMBNAILS = 240  # of each kind, those nearest to the threshold: some 250 kB
_NAMED = 20  # images that a doubt names
_BINS = 48
_FAR = 3.0  # times the threshold: what lies beyond is drawn at the charts' end


def write_report(file: Path, findings: Findings, inspector: Inspector) -> None:
    """Write the report; whatever was there stays until the new one is whole.

    Raises:
        UsageError: it can't be written there.
    """
    page = render_report(findings, inspector)
    draft = file.parent / f".{file.name}.{os.getpid()}"
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror})") from error
    finally:
        if draft.is_file():
            draft.unlink()


def render_report(
    findings: Findings, inspector: Inspector, token: str | None = None, *, written: bool = False
) -> str:
    """Render the report: one HTML page that needs nothing beside itself.

    Some images are read and inspected again, to show their maps. One that has vanished is told as such.

    Args:
        findings: what was found.
        inspector: what scored the images, with the mask and area of then.
        token: makes it the served page, which can set the threshold.
        written: of the served page: the findings' threshold is in the bundle already.
    """
    threshold, before = findings.threshold, findings.manifest.threshold
    good, bad = (sorted(some, key=lambda one: one.score) for some in (findings.good, findings.bad))
    costs, confidence = find_costs(findings), findings.calibration.confidence
    folder = _common_folder([*good, *bad])
    present: Threshold | None = threshold if written else before
    if not written and (before.min_area != threshold.min_area or before.mask or findings.masked):
        present = None  # of scores over another area or outside another mask it has another meaning
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, percent=_percent, plain=_plain, date=_date, text=to_text)
    assets = _read_assets()
    return environment.from_string((_FOLDER / "report.html.j2").read_text(encoding="utf-8")).render(
        findings=findings,
        manifest=findings.manifest,
        threshold=threshold,
        before=before,
        calibration=findings.calibration,
        confidence=_plain(confidence),
        costs=costs,
        folder=folder,
        named=_NAMED,
        token=token,
        written=written,
        apart=token is not None and not written and present is not None,
        worst=[
            draw_card(one, _shorten(one.name, folder), threshold, inspector) for one in good[::-1][:_SHOWN]
        ],
        innocent=[draw_card(one, _shorten(one.name, folder), threshold, inspector) for one in bad[:_SHOWN]],
        history=[*findings.manifest.history, before, threshold],
        policy=content_policy(served=token is not None),
        style=Markup(assets["style"]),  # noqa: S704 - our own
        plotter=Markup(assets["plotter"]),  # noqa: S704
        script=Markup(assets["script"]),  # noqa: S704
        data=_embed(
            {**_collect(findings, good, bad, folder, present if token else None), "written": written}
        ),
    )


def content_policy(*, served: bool) -> str:
    """Say where the page's parts may come from: our own style and scripts, images inside the page."""
    sources = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in _read_assets().items()
    }
    return (
        f"default-src 'none'; img-src data:; style-src {sources['style']}; "
        f"script-src {sources['plotter']} {sources['script']}" + ("; connect-src 'self'" if served else "")
    )


@cache
def _read_assets() -> dict[str, str]:
    """Read what goes into the page as it is, by its place there."""
    files = {
        "style": ("vendor/uPlot.min.css", "report.css"),
        "plotter": ("vendor/uPlot.iife.min.js",),
        "script": ("report.js",),
    }
    return {
        place: "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
        for place, names in files.items()
    }


def _collect(
    findings: Findings, good: list[Scored], bad: list[Scored], folder: str, present: Threshold | None
) -> dict[str, Any]:
    """Collect the numbers that the page's script works on; see report.js."""
    scores, threshold = findings.scores, findings.threshold
    confidence = findings.calibration.confidence
    marks = (*([present.value] if present else []), threshold.value)
    everything = np.concatenate([scores.good, scores.bad, marks, [threshold.upper]])
    highest = float(everything.max())
    usual = max(_FAR * threshold.upper, 2 * float(scores.good[-1]) if len(scores.good) else 0.0, *marks)
    top = 1.05 * min(highest, usual)
    edges, overkill, escape = find_steps(scores, top)
    costs = find_costs(findings)
    cost, roc = expect_cost(overkill, escape, scores, costs), draw_roc(scores)
    bins = np.linspace(0, top, _BINS + 1)
    return {
        "good": _describe(scores.good, good, folder, threshold, confidence, bins),
        "bad": _describe(scores.bad, bad, folder, threshold, confidence, bins),
        "thresholds": find_thresholds(scores, *marks).tolist(),
        "chosen": [threshold.value, threshold.upper],
        "present": [present.value, present.upper] if present else None,
        "confidence": confidence,
        "defects": findings.defect_rate,
        "top": top,
        "beyond": highest > top,
        "bins": _round((bins[1:] + bins[:-1]) / 2),
        "edges": _round(edges),
        "overkill": overkill.tolist() if len(scores.good) else None,
        "escape": escape.tolist() if len(scores.bad) else None,
        "roc": [_round(axis) for axis in roc] if roc else None,
        "cost": None if cost is None else _round(cost),
        "costs": [costs.escape, costs.overkill, costs.defects],
    }


def _describe(
    scores: NDArray[np.float64], images: list[Scored], folder: str, threshold: Threshold, confidence: float,
    bins: NDArray[np.float64],
) -> dict[str, Any]:  # fmt: skip
    """Describe one kind; without images its scores are those of training images, which have no names."""
    low, high = bound_share(len(scores), confidence)
    near = (
        np.argsort(np.abs(scores - threshold.value), kind="stable")[:_THUMBNAILS].tolist() if images else []
    )
    return {
        "scores": scores.tolist(),  # all digits: a score may be just the threshold
        "names": [_shorten(one.name, folder) for one in images],
        "thumbnails": {place: encode(images[place].thumbnail) for place in near},
        "low": _round(low),
        "high": _round(high),
        "histogram": np.histogram(np.minimum(scores, bins[-1]), bins)[0].tolist(),
    }


def _embed(data: dict[str, Any]) -> Markup:
    """Write data as JSON that can't end the script element it is in."""
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704


def _common_folder(images: Sequence[Scored]) -> str:
    """Name the folder that all images are below; "" where there is none."""
    parents = [str(one.path.parent) for one in images]
    try:
        return to_text(os.path.commonpath(parents)) if parents else ""
    except ValueError:  # some are absolute, some are not
        return ""


def _shorten(name: str, folder: str) -> str:
    return to_text(name).removeprefix(f"{folder}/") if folder else to_text(name)


def _round(values: NDArray[np.float64]) -> list[float]:
    """Keep what a chart can show."""
    return [float(f"{value:.6g}") for value in values.tolist()]


def _number(value: float) -> str:
    return f"{value:.5g}"


def _percent(share: float) -> str:
    """Tell a share; the page's script tells it alike."""
    percent = 100 * share
    digits = 0 if percent in (0, 100) else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f}\N{NO-BREAK SPACE}%"


def _plain(share: float) -> str:
    """Tell a share that somebody chose."""
    return f"{100 * share:.6g}\N{NO-BREAK SPACE}%"


def _date(moment: Any) -> str:
    return f"{moment.astimezone(timezone.utc):%d %B %Y, %H:%M} UTC".lstrip("0")
