"""Inspector card: a loaded bundle as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.bundle.bundle import Bundle
from softcore_runtime.bundle.manifest import BankRecord, Manifest
from softcore_runtime.bundle.training import read_training
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.inspection.notebook import draw_card
from softcore_runtime.inspection.overlays import bring_to_size

__all__ = ["show_inspector"]

_THUMBNAIL = 120  # pixels of the longer side


def show_inspector(bundle: Bundle, manifest: Manifest, network: str, remark: str | None) -> str:
    """Draw a bundle in use, with its golden frames.

    Args:
        bundle: the bundle.
        manifest: its manifest, with the threshold in use.
        network: what computes, in words.
        remark: a remark on this machine, or None.

    Returns:
        HTML; files that can't be read any more, because the folder was moved, are left out.
    """
    threshold, bank, preprocessing = manifest.threshold, manifest.bank, manifest.preprocessing
    value = f"{threshold.value:.5g}"
    if threshold.fail_above is not None:
        value += f", FAIL above {threshold.fail_above:.5g}"
    if threshold.provisional:
        value += ", provisional"
    rows = [
        ("bundle", str(bundle.path)),
        ("threshold", f"{value}: {threshold.method}"),
        ("network", f"{manifest.backbone.name}, {network}"),
        ("input", preprocessing.describe()),
        *([("alignment", manifest.alignment.describe())] if manifest.alignment else []),
        ("memory bank", _describe_bank(bank)),
        ("training images", _describe_training(bundle, manifest)),
        ("exported", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
    ]  # fmt: skip
    if remark:
        rows.append(("remark", remark))
    return draw_card(f"Inspector: {manifest.category}", rows, _draw_golden(bundle))


def _describe_bank(bank: BankRecord) -> str:
    words = f"{bank.n:,} x {bank.dim}, discriminator {bank.discriminator}, ratio {bank.ratio:g}"
    if bank.floor:
        words += f", floor {bank.floor:.3g}"
    return words


def _describe_training(bundle: Bundle, manifest: Manifest) -> str:
    dataset = manifest.dataset
    words = f"{dataset.images}"
    try:
        trusted = len(read_training(bundle.path).scores)
    except SoftCoreError:
        trusted = dataset.images
    if trusted < dataset.images:
        words += f", {dataset.images - trusted} of them suspect"
    if dataset.skipped:
        words += f"; {dataset.skipped} more could not be read"
    return words


def _draw_golden(bundle: Bundle) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for golden in bundle.golden:
        try:
            image = bundle.read_golden(golden)
        except SoftCoreError:
            continue
        yield f"{golden.file}, score {golden.score:.3g}", bring_to_size(image, _THUMBNAIL)
