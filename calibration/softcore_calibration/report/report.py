"""Report: a page that shows what a threshold does, and what another one would do.

It is one file that loads nothing, for mail and for paper. Served with a token it can set the threshold.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from softcore_runtime import Inspector
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import UsageError
from softcore_runtime.images.file_names import to_text
from softcore_runtime.language.catalogue import Catalogue, Language
from softcore_runtime.web.charting import UPLOT

from softcore_calibration.calibration import CalibrationResult
from softcore_calibration.confirmation import DRASTIC
from softcore_calibration.curves import (
    bound_share,
    draw_precision,
    draw_roc,
    expect_cost,
    find_costs,
    find_steps,
    find_thresholds,
)
from softcore_calibration.data.scoring import ScoredImage
from softcore_calibration.report.cards import draw_card, encode, find_common_folder, shorten_name
from softcore_calibration.report.verdict import give_verdict, list_classes

__all__ = ["content_policy", "render_report", "write_report"]

_FOLDER = Path(__file__).parent
_CATALOGUE = _FOLDER.parent  # the folder of the package's catalogue
_SHOWN = 8  # images of each kind, with their maps
_THUMBNAILS = 240  # of each kind, those nearest to the threshold: about 250 kB
_NAMED = 20  # images that a warning names
_BINS = 48
_DECISIONS = ("PASS", "REVIEW", "FAIL")
_FAR = 3.0  # multiples of the threshold: larger scores are drawn at the end of the charts


def write_report(
    file: Path, result: CalibrationResult, inspector: Inspector, language: Language = "en"
) -> None:
    """Write the report; an earlier file stays until the new one is complete.

    Raises:
        UsageError: it can't be written there.
    """
    page = render_report(result, inspector, language=language)
    try:
        write_atomically(file, page)
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror})") from error


def render_report(
    result: CalibrationResult,
    inspector: Inspector,
    token: str | None = None,
    *,
    written: bool = False,
    language: Language = "en",
) -> str:
    """Render the report as one HTML page that loads nothing from elsewhere.

    Some images are read and inspected again, to show their maps. The page says so if one is missing by now.

    Args:
        result: the calibration's result.
        inspector: the inspector that scored the images, with the same mask and area.
        token: makes it the served page, which can set the threshold.
        written: whether the result's threshold is in the bundle already; for the served page.
        language: of its texts.
    """
    catalogue = Catalogue(_CATALOGUE, language)
    threshold, before = result.threshold, result.manifest.threshold
    good, bad = (sorted(some, key=lambda one: one.score) for some in (result.good, result.bad))
    costs, confidence = find_costs(result), result.calibration.confidence
    folder = find_common_folder([*good, *bad])
    present: Threshold | None = threshold if written else before
    if not written and (before.min_area != threshold.min_area or before.mask or result.masked):
        present = None  # it is for scores of another area or mask
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    catalogue.install(environment)
    environment.filters.update(
        number=lambda value: catalogue.number(f"{value:.5g}"),
        fixed=lambda value, digits: catalogue.number(f"{value:.{digits}f}"),
        whole=lambda value: catalogue.number(f"{value:,.0f}"),
        percent=lambda share: catalogue.number(_percent(share)),
        plain=lambda share: catalogue.number(_plain(share)),
        text=to_text,
    )
    assets = _read_assets()
    return environment.from_string((_FOLDER / "report.html.j2").read_text(encoding="utf-8")).render(
        result=result,
        manifest=result.manifest,
        threshold=threshold,
        before=before,
        calibration=result.calibration,
        confidence=catalogue.number(_plain(confidence)),
        verdict=give_verdict(result),
        classes=list_classes(result),
        matrix=_count_decisions(result),
        costs=costs,
        folder=folder,
        named=_NAMED,
        token=token,
        written=written,
        apart=token is not None and not written and present is not None,
        worst=[
            draw_card(one, shorten_name(one.name, folder), threshold, inspector)
            for one in good[::-1][:_SHOWN]
        ],
        innocent=[
            draw_card(one, shorten_name(one.name, folder), threshold, inspector) for one in bad[:_SHOWN]
        ],
        history=[*result.manifest.history, before, threshold],
        policy=content_policy(served=token is not None),
        style=Markup(assets["style"]),  # noqa: S704 - our own
        plotter=Markup(assets["plotter"]),  # noqa: S704
        script=Markup(assets["script"]),  # noqa: S704
        data=_embed(
            {
                **_collect(result, good, bad, folder, present if token else None),
                "written": written,
                "language": language,
                "texts": dict(catalogue.texts),
            }
        ),
    )


def content_policy(*, served: bool) -> str:
    """Return the content security policy: our own style and scripts, and images inside the page."""
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
    """Read the style and the scripts that are embedded in the page."""
    files = {
        "style": (UPLOT / "uPlot.min.css", _FOLDER / "report.css"),
        "plotter": (UPLOT / "uPlot.iife.min.js",),
        "script": tuple(_FOLDER / name for name in ("outcome.js", "charts.js", "report.js")),
    }
    return {
        place: "\n".join(path.read_text(encoding="utf-8") for path in paths) for place, paths in files.items()
    }


def _collect(
    result: CalibrationResult,
    good: list[ScoredImage],
    bad: list[ScoredImage],
    folder: str,
    present: Threshold | None,
) -> dict[str, Any]:
    """Collect the data of the page's scripts; see outcome.js."""
    scores, threshold = result.scores, result.threshold
    confidence = result.calibration.confidence
    marks = (*([present.value] if present else []), threshold.value)
    everything = np.concatenate([scores.good, scores.bad, marks, [threshold.upper]])
    highest = float(everything.max())
    usual = max(_FAR * threshold.upper, 2 * float(scores.good[-1]) if len(scores.good) else 0.0, *marks)
    top = 1.05 * min(highest, usual)
    edges, overkill, escape = find_steps(scores, top)
    costs = find_costs(result)
    cost, roc, precision = (
        expect_cost(overkill, escape, scores, costs),
        draw_roc(scores),
        draw_precision(scores),
    )
    bins = np.linspace(0, top, _BINS + 1)
    return {
        "good": _describe(scores.good, good, folder, threshold, confidence, bins),
        "bad": _describe(scores.bad, bad, folder, threshold, confidence, bins),
        "thresholds": find_thresholds(scores, *marks).tolist(),
        "chosen": [threshold.value, threshold.upper],
        "present": [present.value, present.upper] if present else None,
        "drastic": DRASTIC,
        "confidence": confidence,
        "defects": result.defect_rate,
        "top": top,
        "beyond": highest > top,
        "bins": _round((bins[1:] + bins[:-1]) / 2),
        "edges": _round(edges),
        "overkill": overkill.tolist() if len(scores.good) else None,
        "escape": escape.tolist() if len(scores.bad) else None,
        "roc": [_round(axis) for axis in roc] if roc else None,
        "precision": [_round(axis) for axis in precision] if precision else None,
        "cost": None if cost is None else _round(cost),
        "costs": [costs.escape, costs.overkill, costs.defects],
    }


def _describe(
    scores: NDArray[np.float64], images: list[ScoredImage], folder: str, threshold: Threshold,
    confidence: float, bins: NDArray[np.float64],
) -> dict[str, Any]:  # fmt: skip
    """Describe the images of one kind; training images that are used instead have scores but no names."""
    low, high = bound_share(len(scores), confidence)
    near = (
        np.argsort(np.abs(scores - threshold.value), kind="stable")[:_THUMBNAILS].tolist() if images else []
    )
    return {
        "scores": scores.tolist(),  # all digits, because a score may equal the threshold
        "names": [shorten_name(one.name, folder) for one in images],
        "thumbnails": {place: encode(images[place].thumbnail) for place in near},
        "low": _round(low),
        "high": _round(high),
        "histogram": np.histogram(np.minimum(scores, bins[-1]), bins)[0].tolist(),
    }


def _embed(data: dict[str, Any]) -> Markup:
    """Encode data as JSON that can't close its script element."""
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704


def _round(values: NDArray[np.float64]) -> list[float]:
    """Round to the digits that a chart can show."""
    return [float(f"{value:.6g}") for value in values.tolist()]


def _percent(share: float) -> str:
    """Format a measured share, as the page's script does."""
    percent = 100 * share
    digits = 0 if percent in (0, 100) else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f}\N{NO-BREAK SPACE}%"


def _plain(share: float) -> str:
    """Format a share that a person chose."""
    return f"{100 * share:.6g}\N{NO-BREAK SPACE}%"


def _count_decisions(result: CalibrationResult) -> list[tuple[str, dict[str, int]]]:
    """Count the decisions on each kind of parts, by the threshold: a confusion matrix."""
    rows = []
    for kind, scores in (("good", result.scores.good), ("bad", result.scores.bad)):
        decided = [str(result.threshold.decide(float(score))) for score in scores]
        rows.append((kind, {decision: decided.count(decision) for decision in _DECISIONS}))
    return [(kind, counts) for kind, counts in rows if sum(counts.values())]
