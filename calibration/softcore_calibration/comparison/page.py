"""Page: two bundles side by side in one HTML file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from softcore_runtime import FrameError, ImageError, Inspector, overlay
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.backends.engine import describe_backbone
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.bundle.threshold import Rate
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import UsageError
from softcore_runtime.images.file_names import to_text
from softcore_runtime.language.catalogue import Catalogue, Language

from softcore_calibration.comparison.comparison import BundleOutcome, ComparedImage, Comparison
from softcore_calibration.data.scoring import read_again
from softcore_calibration.report.cards import encode, find_common_folder, shorten_name, shrink

__all__ = ["describe_verdict", "list_facts", "write_page"]

_FOLDER = Path(__file__).parent
_SHOWN = 12  # images of each kind of change, with both maps
_NAMED = 200  # more of them, by name
_SIDE = 400  # of the chart, in its own units
_FARTHEST = 8.0  # multiples of the threshold, and its inverse: the ends of the chart


@dataclass(frozen=True)
class _Card:
    """An image that changed sides, as both bundles see it: `data:` URIs, "" where it can't be read."""

    image: ComparedImage
    name: str
    old: str
    new: str


@dataclass(frozen=True)
class _Change:
    """The images that changed in one way."""

    key: str
    title: str
    words: str
    cards: list[_Card]
    others: list[str]
    more: int


@dataclass(frozen=True)
class _Dot:
    """An image in the chart."""

    x: float
    y: float
    kind: str
    title: str


def write_page(
    file: Path, comparison: Comparison, old: Inspector, new: Inspector, language: Language = "en"
) -> None:
    """Write the page; an earlier file stays until the new one is complete.

    Args:
        file: where.
        comparison: what `compare` found.
        old: as it was given to `compare`; some images are inspected again, to draw their maps.
        new: likewise.
        language: of its texts.

    Raises:
        UsageError: it can't be written there.
    """
    try:
        write_atomically(file, _render(comparison, old, new, language))
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror})") from error


def describe_verdict(comparison: Comparison) -> str:
    """Say in a sentence what the new bundle does better and worse.

    Example:
        >>> describe_verdict(comparison)
        'the new bundle decides all 64 images as the old one does'
    """
    images = comparison.images
    lost, gained = sum(image.lost for image in images), sum(image.gained for image in images)
    changed = sum(image.changed for image in images)
    if not changed:
        return f"the new bundle decides {_count_all(len(images))} as the old one does"
    told = []
    if gained:
        told.append(f"is right about {_count(gained)} that the old one had wrong")
    if lost:
        told.append(f"is wrong about {_count(lost)} that the old one had right")
    if others := changed - lost - gained:
        told.append(f"decides {_count(others)} {'more ' if told else ''}otherwise")
    return f"the new bundle {', and '.join(told)}"


def list_facts(old: BundleOutcome, new: BundleOutcome) -> list[tuple[str, str, str]]:
    """List what the bundles are and do: a name, and what it is in each.

    Example:
        >>> [name for name, before, after in list_facts(comparison.old, comparison.new)][:3]
        ['AUROC', 'overkill', 'escape']
    """
    rows = [dict(_describe(outcome)) for outcome in (old, new)]
    return [(name, rows[0][name], rows[1][name]) for name in rows[0]]


def _describe(outcome: BundleOutcome) -> Iterator[tuple[str, str]]:
    manifest = outcome.manifest
    threshold, bank = manifest.threshold, manifest.bank
    yield "AUROC", "unknown" if outcome.auroc is None else f"{outcome.auroc:.4f}"
    yield "overkill", _describe_rate(outcome.overkill)
    yield "escape", _describe_rate(outcome.escape)
    zone = f" to {threshold.fail_above:.6g}" if threshold.fail_above is not None else ""
    yield "threshold", f"{threshold.value:.6g}{zone}{', provisional' if threshold.provisional else ''}"
    yield "network", describe_backbone(manifest.backbone)
    yield "frame", _describe_preprocessing(manifest)
    yield "memory bank", f"{bank.n:,} entries of {bank.dim} numbers"
    yield "training images", f"{manifest.dataset.images:,}"
    yield "made", f"{manifest.created:%Y-%m-%d %H:%M}"


def _describe_rate(rate: Rate | None) -> str:
    if rate is None:
        return "unknown"
    return f"{rate.value:.2%} ({rate.count} of {rate.parts}; {rate.low:.2%} to {rate.high:.2%})"


def _describe_preprocessing(manifest: Manifest) -> str:
    plain = manifest.preprocessing
    height, width = plain.canvas
    told = f"{width} x {height} pixels"
    if plain.count > 1:
        told += f" in {plain.count} windows"
    return told + (", aligned" if manifest.alignment else "")


def _render(comparison: Comparison, old: Inspector, new: Inspector, language: Language) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    catalogue = Catalogue(_FOLDER.parent, language)
    catalogue.install(environment)
    environment.filters.update(text=to_text, whole=lambda value: catalogue.number(f"{value:,}"))
    style = "\n".join(
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("../report/report.css", "compare.css")
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    lost = any(image.lost for image in comparison.images)
    return environment.from_string((_FOLDER / "compare.html.j2").read_text(encoding="utf-8")).render(
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'",
        style=Markup(style),  # noqa: S704 - our own
        comparison=comparison,
        verdict=describe_verdict(comparison),
        lost=lost,
        facts=list_facts(comparison.old, comparison.new),
        changes=list(_list_changes(comparison, old, new)),
        dots=[_place(image) for image in comparison.images],
        side=_SIDE,
        middle=_scale(1.0),
        farthest=_FARTHEST,
        good=comparison.count(False),
        bad=comparison.count(True),
        unknown=comparison.count(None),
    )


def _list_changes(comparison: Comparison, old: Inspector, new: Inspector) -> Iterator[_Change]:
    kinds = (
        (
            "lost",
            "Lost: the old bundle was right about these",
            "Good parts that fail now, and bad ones that pass.",
            [image for image in comparison.images if image.lost],
        ),
        (
            "gained",
            "Gained: the new bundle is right about these",
            "Good parts that failed, and bad ones that passed.",
            [image for image in comparison.images if image.gained],
        ),
        (
            "other",
            "Decided otherwise",
            "Images that nobody has said anything of, and changes to or from REVIEW that lose nothing.",
            [image for image in comparison.images if image.changed and not image.lost and not image.gained],
        ),
    )
    folder = find_common_folder(comparison.images)
    for key, title, words, images in kinds:
        ranked = sorted(images, key=_rank)
        shown = track(ranked[:_SHOWN], f"{key}: images", len(ranked[:_SHOWN]))
        cards = [_draw(image, folder, old, new) for image in shown]
        others = [shorten_name(image.name, folder) for image in ranked[_SHOWN : _SHOWN + _NAMED]]
        if cards:
            yield _Change(key, title, words, cards, others, max(0, len(ranked) - _SHOWN - _NAMED))


def _rank(image: ComparedImage) -> float:
    """Rank images: first what moved farthest beyond a threshold."""
    ratios = [min(max(said.ratio, 1 / _FARTHEST), _FARTHEST) for said in (image.old, image.new)]
    return -abs(math.log(ratios[0]) - math.log(ratios[1]))


def _draw(image: ComparedImage, folder: str, old: Inspector, new: Inspector) -> _Card:
    drawn = [_draw_map(image, inspector) for inspector in (old, new)]
    return _Card(image, shorten_name(image.name, folder), *drawn)


def _draw_map(image: ComparedImage, inspector: Inspector) -> str:
    try:
        frame = read_again(image, inspector.manifest.preprocessing.white)
        return "" if frame is None else encode(shrink(overlay(frame, inspector.inspect(frame))))
    except (FrameError, ImageError):
        return ""


def _place(image: ComparedImage) -> _Dot:
    kind = {None: "unknown", False: "good", True: "bad"}[image.defective]
    title = f"{to_text(image.name)}: {image.old.decision} {image.old.ratio:.2f}, then {image.new.decision}"
    return _Dot(_scale(image.old.ratio), _scale(image.new.ratio), kind, f"{title} {image.new.ratio:.2f}")


def _scale(ratio: float) -> float:
    """Place a multiple of the threshold on a logarithmic axis, from 0 to the chart's side."""
    inside = min(max(ratio, 1 / _FARTHEST), _FARTHEST)
    return round(_SIDE * (math.log(inside, _FARTHEST) + 1) / 2, 1)


def _count(number: Sequence[object] | int) -> str:
    number = number if isinstance(number, int) else len(number)
    return f"{number:,} image{'' if number == 1 else 's'}"


def _count_all(number: int) -> str:
    return f"all {_count(number)}" if number > 1 else _count(number)
