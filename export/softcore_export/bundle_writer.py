"""Bundle writer: writes a trained memory bank and everything that belongs to it as a bundle's files."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime import AlignmentError, Bundle, Inspector
from softcore_runtime.alignment.aligned_preprocessing import remove_alignment
from softcore_runtime.backends.devices import ENGINE_FOLDER
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle.image_files import write_reference
from softcore_runtime.bundle.manifest import (
    Agreement,
    BackboneRecord,
    BankRecord,
    DatasetRecord,
    Grid,
    HintsRecord,
    Manifest,
    list_seals,
)
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.training import Training, write_training
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.search.search import Search
from softcore_runtime.signing.signatures import add_signatures

from softcore_export.acceptance.golden_frames import LONGEST, choose_golden
from softcore_export.contamination.choices import FILE as CHOICES
from softcore_export.contamination.choices import Choices, write_choices
from softcore_export.contamination.contamination import Contamination, write_contamination
from softcore_export.memory_bank.index import BuiltIndex
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.preparation import PreparedExport

__all__ = ["BundleContents", "finish_bundle", "write_contents"]


@dataclass(frozen=True, eq=False)
class BundleContents:
    """What a bundle is written from.

    Attributes:
        prepared: images, settings and network.
        learned: the memory bank.
        index: its HNSW index.
        hints: int32 `[P, h]`.
        hints_record: their record for the manifest.
        scores: float64 `[N]`, leave-one-image-out.
        trusted: bool `[N]`, the images that set the threshold.
        threshold: the provisional one.
        agreement: with the plain network; None where that one ships.
        contamination: what was found out about the images.
        choices: a person's.
    """

    prepared: PreparedExport
    learned: MemoryBank
    index: BuiltIndex
    hints: NDArray[np.int32]
    hints_record: HintsRecord
    scores: NDArray[np.float64]
    trusted: NDArray[np.bool_]
    threshold: Threshold
    agreement: Agreement | None
    contamination: Contamination
    choices: Choices


def write_contents(folder: Path, category: str, contents: BundleContents) -> tuple[Manifest, Inspector]:
    """Write all files of a bundle but its report and its manifest.

    Args:
        folder: the bundle's, empty.
        category: the product's name.
        contents: what to write.

    Returns:
        the manifest, which doesn't list the files yet, and an inspector that decides as the bundle will.
    """
    prepared, learned, images = contents.prepared, contents.learned, contents.prepared.images
    shutil.copyfile(prepared.network.file, folder / bundle.BACKBONE)
    contents.index.index.save(folder / bundle.INDEX)
    arrays = {
        "bank": learned.bank,
        "weights": learned.weights,
        "floors": learned.floors,
        "origins": learned.origins,
        "hints": contents.hints,
    }
    bundle.write_arrays(folder, arrays)
    if prepared.alignment.reference:
        write_reference(folder, prepared.alignment.reference.image)
    write_contamination(folder, contents.contamination)
    write_choices(folder / CHOICES, contents.choices)
    trusted_scores = contents.scores[contents.trusted]
    write_training(folder, Training(trusted_scores, images.thumbnails, images.image_statistics))
    manifest = _describe(category, contents)
    return _write_golden_frames(folder, manifest, contents)


def finish_bundle(folder: Path, manifest: Manifest, backbone: Backbone, key: Path | None = None) -> Manifest:
    """Write the manifest with all files in it, and load the bundle as a line would: verified and tested.

    Args:
        folder: the bundle's.
        manifest: without the files.
        backbone: the network that was used.
        key: a private key's file, which signs the bundle; None leaves it unsigned.

    Returns:
        the manifest as it was written.

    Raises:
        UsageError: the key can't be used.
        BundleError: the bundle that was just written can't be loaded, or fails its self-test.
    """
    manifest = manifest.model_copy(update={"files": bundle.record_files(folder)})
    bundle.write_manifest(folder, manifest)
    if backbone.engine_folder:  # TensorRT's, built for this machine's GPU
        shutil.copytree(backbone.engine_folder, folder / ENGINE_FOLDER / backbone.engine_folder.name)
    Inspector.load(folder, engine=backbone.engine, provider=backbone.provider)
    if key:  # only what has passed
        add_signatures(folder, key, list_seals(manifest))
    return manifest


def _describe(category: str, contents: BundleContents) -> Manifest:
    prepared, learned = contents.prepared, contents.learned
    settings, images, backbone = prepared.settings, prepared.images, prepared.network.backbone
    height, width = prepared.grid
    return Manifest(
        category=category,
        created=datetime.now(timezone.utc).replace(microsecond=0),
        tools=_list_versions(backbone),
        preprocessing=remove_alignment(settings.preprocessing),
        alignment=prepared.alignment.alignment,
        backbone=BackboneRecord(
            name=prepared.loaded.name,
            layers=prepared.loaded.layers,
            weights_sha256=prepared.loaded.weights_sha256,
            engine=backbone.engine,
            provider=backbone.provider,
            precision=backbone.precision,
        ),
        grid=Grid(height=height, width=width),
        bank=BankRecord(
            n=len(learned.bank),
            dim=learned.bank.shape[1],
            discriminator=settings.discriminator,
            tau=settings.tau,
            k=settings.lof_k,
            ratio=settings.find_ratio(),
            sampler=settings.sampler,
            soft_weights=bool((learned.weights != 1).any()),
            weight_max=float(learned.weights.max()),
            floor=learned.rule.factor if learned.rule else 0,
            evidence=learned.rule.evidence if learned.rule else 0,
            seed=settings.seed,
        ),
        index=contents.index.record,
        hints=contents.hints_record,
        parity=prepared.network.parity,
        agreement=contents.agreement,
        threshold=contents.threshold,
        history=(),
        dataset=DatasetRecord(
            images=len(images.paths),
            skipped=len(images.skipped),
            fingerprint=images.fingerprint,
            traces=images.traces,
        ),
        files={},
    )


def _write_golden_frames(
    folder: Path, manifest: Manifest, contents: BundleContents
) -> tuple[Manifest, Inspector]:
    """Score frames by the inspector that will ship, and write them with their scores."""
    prepared, learned = contents.prepared, contents.learned
    draft = Bundle(
        folder,
        manifest,
        learned.bank,
        learned.weights,
        learned.floors,
        learned.origins,
        contents.hints,
        golden=(),
        reference=prepared.alignment.reference.image if prepared.alignment.reference else None,
    )
    search = Search(learned.bank, learned.weights, learned.floors, contents.index.index, contents.hints)
    inspector = Inspector(draft, prepared.network.backbone, search)
    preprocessing = prepared.settings.preprocessing
    golden = choose_golden(
        prepared.images.paths,
        contents.scores,
        lambda frame: _score(inspector, frame),
        contents.threshold.value,
        preprocessing.read,
        max(LONGEST, _find_seen_length(preprocessing)),
    )
    bundle.write_golden(folder, golden.frames, golden.scores)
    return manifest.model_copy(update={"golden_note": golden.note}), inspector


def _score(inspector: Inspector, frame: NDArray[np.uint8]) -> float | None:
    """Return the score of a frame; None for one that can't be aligned."""
    try:
        return inspector.inspect(frame).score
    except AlignmentError:
        return None


def _find_seen_length(preprocessing: Preprocessing) -> int:
    """Return the longer side of a frame at the scale at which the network sees it, in pixels."""
    (height, width), windows = preprocessing.canvas, preprocessing.windows
    if not windows:
        return preprocessing.resize
    return math.ceil(max(width / windows.region.width, height / windows.region.height))


def _list_versions(backbone: Backbone) -> dict[str, str]:
    return {
        "softcore": version("softcore"),
        "hnswlib": version("hnswlib"),
        "numpy": np.__version__,
        backbone.engine: backbone.version,
        "opencv": cv2.__version__,
        "torch": str(torch.__version__),
    }
