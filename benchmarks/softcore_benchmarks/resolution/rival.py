"""Rival: anomalib's PatchCore at an input size, on the same images, weights and layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.separation import auroc

from softcore_benchmarks.baselines.anomalib_patchcore import AnomalibPatchcore, Form, PatchcoreSettings
from softcore_benchmarks.data.category import Category

__all__ = ["RIVAL_SIZES", "measure_anomalib"]

RIVAL_SIZES = (224, 448)
_FORM: Form = "openvino"  # its fastest
_TIMED = 9


def measure_anomalib(category: Category, side: int, weights: Path, ratio: float) -> dict[str, float]:
    """Train anomalib's PatchCore on a category with the whole frame in `side` pixels, and test it.

    Returns:
        image AUROC, entries of the memory bank, and the medians of the milliseconds from a frame to its
        score, and of the network alone, in turn.
    """
    preprocessing = Preprocessing(resize=side, crop=side)
    crops = np.stack([preprocessing.apply(read_image(path)) for path in category.train])
    with AnomalibPatchcore() as rival:
        settings = PatchcoreSettings(weights, preprocessing=preprocessing, coreset_ratio=ratio)
        fitted = rival.fit(crops, settings)
        scores = rival.scores(_FORM, category.test)
        frames = category.test[:_TIMED]
        timed = [
            (rival.time(_FORM, frame).milliseconds, rival.bare(_FORM, frame))
            for frame in (*frames[:1], *frames)
        ]
    whole, bare = np.median(timed[1:], axis=0)  # the first one warms up
    bad = category.bad
    return {
        "auroc": auroc(scores[~bad], scores[bad]),
        "entries": fitted.entries,
        "ms": float(whole),
        "bare": float(bare),
    }
