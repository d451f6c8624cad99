"""Preparation: prepares a bundle once on the machine where it will be used."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from softcore_runtime.backends.devices import SearchTimes
from softcore_runtime.backends.engine import Engine, Provider
from softcore_runtime.errors import SelfTestError
from softcore_runtime.inspection.features import compute_features
from softcore_runtime.inspection.inspector import Inspector
from softcore_runtime.inspection.self_test import GoldenScore, count_flipped, largest_difference
from softcore_runtime.search.index_choice import measure_indexes

__all__ = ["Preparation", "prepare"]


@dataclass(frozen=True, eq=False)
class Preparation:
    """A bundle that is ready for use here.

    Attributes:
        inspector: the inspector, with the provider that will be used.
        golden: the golden frames' scores here and at export.
        search: times of the search on GPU and host; None on a CPU.
        seconds: time to open the network; minutes, where TensorRT had to build its engines.
    """

    inspector: Inspector
    golden: tuple[GoldenScore, ...]
    search: SearchTimes | None
    seconds: float


def prepare(
    path: str | Path,
    *,
    engine: Engine | Literal["auto"] = "auto",
    provider: Provider | Literal["auto"] = "auto",
    threads: int | None = None,
) -> Preparation:
    """Build TensorRT's engines if it will compute, repeat the golden frames, and measure the search.

    Args:
        path: the bundle's folder; engines and measurements are stored in it.
        engine: as for `Inspector.load`.
        provider: likewise; `auto` takes TensorRT if it can compute.
        threads: likewise.

    Raises:
        BundleError: as `Inspector.load`.
        ProviderError: `provider` can't compute here.
        SelfTestError: a golden frame is decided differently than at export, or all pass at the threshold.
        UsageError: the bundle can't be written.
    """
    began = time.perf_counter()
    inspector = Inspector.load(
        path, engine=engine, provider=provider, threads=threads, self_test=False, build=True
    )
    seconds = time.perf_counter() - began
    golden = inspector.golden.compare()
    if flipped := count_flipped(golden):
        worst = max((one for one in golden if one.flipped), key=lambda one: one.difference)
        raise SelfTestError(
            f"{path}: {inspector.network} decides {flipped} of {len(golden)} golden frames otherwise than "
            f"the export did ({worst.file} scores {worst.here:.6g} here, {worst.exported:.6g} there; the "
            f"largest relative difference is {largest_difference(golden):.1e}); take another --provider, "
            "or export in the precision that will serve"
        )
    if fault := inspector.explain_threshold(inspector.manifest.threshold):
        raise SelfTestError(
            f"{path}: {fault}; set another threshold with softcore-calibrate, or export again"
        )
    return Preparation(
        inspector=inspector,
        golden=golden,
        search=_measure_search(inspector, threads),
        seconds=seconds,
    )


def _measure_search(inspector: Inspector, threads: int | None) -> SearchTimes | None:
    """Measure, on the golden frames, whether the bank is searched faster on the GPU, and record it."""
    bundle, backbone = inspector.bundle, inspector.backbone
    preprocessing = bundle.preprocessing
    frames = [
        compute_features(backbone, preprocessing, preprocessing.apply(bundle.read_golden(golden)))
        for golden in bundle.golden
    ]
    threshold = bundle.manifest.exported_threshold.value
    return measure_indexes(bundle, backbone, frames, threshold, threads)
