"""Export: from a folder of images to a verified bundle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.cli.progress import print_message
from softcore_runtime.exam.exam import write_exam
from softcore_runtime.exam.places import add_places

from softcore_export.acceptance.agreement import AgreementError
from softcore_export.acceptance.precision import compare_precisions
from softcore_export.acceptance.provisional_threshold import find_trusted, provisional_threshold
from softcore_export.acceptance.taught_parts import TaughtPart, describe_taught, judge_taught
from softcore_export.bundle_writer import BundleContents, finish_bundle, write_contents
from softcore_export.contamination.choices import Choices
from softcore_export.contamination.contamination import Contamination
from softcore_export.contamination.summary import summarize_contamination
from softcore_export.data.dataset import TrainingImages
from softcore_export.exam.marked_parts import MarkedParts, gather_parts
from softcore_export.exam.outcome import ExamOutcome
from softcore_export.exam.sitting import sit_exam
from softcore_export.exam.summary import refuse_losses
from softcore_export.feature_store.feature_store import FeatureStore
from softcore_export.memory_bank.counterexamples import Confirmed
from softcore_export.memory_bank.hints import learn_hints
from softcore_export.memory_bank.index import build_index, choose_queries
from softcore_export.memory_bank.leave_one_out import leave_one_out
from softcore_export.preparation import PreparedExport, prepare
from softcore_export.report.report import ReportData, write_report
from softcore_export.settings import ExportSettings
from softcore_export.stage_times import time_stage
from softcore_export.staging_directory import staging_directory
from softcore_export.train import fit

__all__ = ["Export", "PreparedExport", "build", "export", "prepare", "settle"]


@dataclass(frozen=True, eq=False)
class Export:
    """A finished export.

    Attributes:
        path: the bundle's folder.
        manifest: the bundle's manifest.
        images: the training images that were read, `[N]`.
        skipped: a line for each image that could not be read.
        contamination: which images are suspect, and what was done; as in the bundle.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        origins: int32 `[n, 3]`, training image, row and column of each entry of the bank.
        floors: float32 `[n]`, the least score that each entry gives a patch; 0 without floors.
        scores: float64 `[N]`, leave-one-image-out: each image against the bank without its own entries.
        seconds: wall time of each stage.
        taught: the parts that a person has confirmed as defective, and how they are judged.
        exam: what the parts that a person has marked say of it; None where there are none.

    Example:
        >>> exported
        Export('.../disc', 12 images, bank 77x203, threshold=... (provisional), ... s)
        >>> exported.scores.shape, exported.kept.shape
        ((12,), (12, 64))
        >>> exported.contamination.images[0].path  # the most suspect
        '05.png'
    """

    path: Path
    manifest: Manifest
    images: list[Path]
    skipped: list[str]
    contamination: Contamination
    kept: NDArray[np.bool_]
    origins: NDArray[np.int32]
    floors: NDArray[np.float32]
    scores: NDArray[np.float64]
    seconds: dict[str, float]
    taught: tuple[TaughtPart, ...] = ()
    exam: ExamOutcome | None = None

    def describe_taught(self) -> str:
        """Describe in a line how the parts are judged that a person has confirmed as defective.

        Example:
            >>> exported.describe_taught()
            '0 of 0 confirmed defects above the threshold; no entry resembled one'
        """
        return describe_taught(self.taught, self.manifest.threshold.value)

    def find_passing(self) -> NDArray[np.int32]:
        """Return the origins of the entries that can let a patch pass: their floors allow it.

        Example:
            >>> exported.find_passing().shape
            (77, 3)
        """
        return self.origins[self.floors <= self.manifest.threshold.value]

    def __repr__(self) -> str:
        bank, threshold = self.manifest.bank, self.manifest.threshold
        return (
            f"Export({str(self.path)!r}, {len(self.images)} images, bank {bank.n}x{bank.dim}, "
            f"threshold={threshold.value:.4g} (provisional), {sum(self.seconds.values()):.1f} s)"
        )


def export(
    images: TrainingImages,
    target: Path,
    settings: ExportSettings,
    choices: Choices | None = None,
    store: FeatureStore | None = None,
) -> Export:
    """Train on images and write the bundle, whole or not at all.

    With `precision="auto"`, a precision that fails the comparison with FP32 is replaced by FP32.

    Args:
        images: the images to train on.
        target: the bundle's folder, whose name is the category; an earlier bundle there is replaced.
        settings: how to train.
        choices: a person's, which overrule what the method would leave out.
        store: as for `prepare`; the bundle is the same with and without.

    Returns:
        the bundle's manifest, and what was found out about the images.

    Raises:
        UsageError: the settings can't be met here, or `target` can't be written.
        DataError: too few images can be read, or are left.
        ExportError: a gate failed (ONNX checker, parity, recall, agreement with FP32), or the bundle loses
            a marked part and `settings.no_worse` holds.

    Example:
        >>> settings = ExportSettings(
        ...     backbone="filterbank", discriminator="lof", device="cpu", engine="onnxruntime",
        ...     precision="fp32", preprocessing=Preprocessing(resize=72, crop=64),
        ... )
        >>> export(TrainingImages.find(discs / "disc"), target, settings)
        Export('.../bundles/disc', 12 images, bank 77x203, threshold=... (provisional), ... s)
        >>> inspector = Inspector.load(target)
        >>> inspector.inspect(inspector.manifest.preprocessing.read(discs / "disc" / "00.png")).decision
        <Decision.PASS: 'PASS'>
    """
    with prepare(images, target, settings, store) as prepared:
        return settle(prepared, target, choices or Choices())[1]


def settle(prepared: PreparedExport, target: Path, choices: Choices) -> tuple[PreparedExport, Export]:
    """Build the bundle; in FP32 if the faster precision that SoftCore chose decides too differently.

    That is reported in a line on standard error.

    Args:
        prepared: what `prepare` yields.
        target: as for `export`.
        choices: as for `export`.

    Returns:
        what the bundle was built from, to build the next one from, and what `export` returns.

    Raises:
        UsageError: as `export`.
        DataError: as `export`.
        ExportError: as `export`.

    Example:
        >>> used, done = settle(prepared, target, Choices())
        >>> used is prepared, done.manifest.category
        (True, 'disc')
    """
    try:
        return prepared, build(prepared, target, choices)
    except AgreementError as error:
        if not prepared.may_fall_back:
            raise  # a person has asked for this precision
        fast, reason = prepared.network.backbone.precision, str(error).partition(";")[0]
    print_message(f"warning: the bundle is in fp32, which is slower, and not in {fast}: {reason}")
    prepared = prepared.in_fp32()
    return prepared, build(prepared, target, choices)


def build(prepared: PreparedExport, target: Path, choices: Choices) -> Export:
    """Draw a memory bank by the method and a person's choices, and write its bundle.

    Args:
        prepared: what `prepare` yields.
        target: as for `export`.
        choices: as for `export`.

    Returns:
        as `export`.

    Raises:
        UsageError: as `export`.
        DataError: as `export`.
        ExportError: as `export`.

    Example:
        >>> build(prepared, target, Choices()).manifest.category
        'disc'
    """
    images, settings, estimate = prepared.images, prepared.settings, prepared.estimate
    choices = choices.confirm(images.confirmed.intersection(images.digests))
    features, grid, device = prepared.features, prepared.grid, prepared.device  # [N, P, d]
    seconds = dict(prepared.seconds)
    confirmed = Confirmed(choices.find_known(images.digests) > 0, prepared.defects.features)

    with staging_directory(target) as folder:
        with time_stage(seconds, "memory bank"):
            place = settings.preprocessing.region
            overrule = partial(choices.apply, digests=images.digests, grid=grid, place=place)
            learned = fit(
                features, grid, settings, device, estimate, overrule, images.groups, prepared.inspected,
                confirmed,
            )  # fmt: skip
            taught = judge_taught(prepared, learned)
        kept = learned.kept | ~prepared.inspected  # what isn't inspected wasn't excluded

        with time_stage(seconds, "index"):
            queries = choose_queries(features, learned.kept, learned.find_entries(grid), settings.seed)
            index = build_index(learned.bank, queries, settings.seed)

        with time_stage(seconds, "threshold"):
            nearest = leave_one_out(features, learned.bank, learned.owners, device, learned.rule)
            scores = nearest.scores(learned.weights)  # [N]
            trusted = find_trusted(estimate.images, learned.kept, images.digests, choices, settings)  # [N]
            threshold = provisional_threshold(scores, trusted)

        with time_stage(seconds, "hints"):
            repeated = settings.preprocessing.find_repeated(grid)
            counted = learned.kept if repeated is None else learned.kept[:, repeated]
            hints, hints_record = learn_hints(
                features, learned.bank, learned.weights, learned.owners, nearest, counted, learned.rule
            )

        agreement = None
        if prepared.plain_features is not None:
            with time_stage(seconds, "agreement"):
                agreement = compare_precisions(prepared, learned, scores, trusted)

        with time_stage(seconds, "bundle"):
            contamination = summarize_contamination(
                images.names, images.digests, images.copies, estimate, kept
            )
            contents = BundleContents(
                prepared, learned, index, hints, hints_record, scores, trusted, threshold, agreement,
                contamination, choices,
            )  # fmt: skip
            manifest, inspector = write_contents(folder, target.name, contents)

        marked, exam = gather_parts(target, images), None
        if marked:
            with time_stage(seconds, "exam"):
                alone = dict(zip(images.digests, scores.tolist(), strict=True))
                exam = sit_exam(target, marked, inspector, alone, settings.preprocessing)
                if settings.no_worse:
                    refuse_losses(target, exam)
                    if not exam.compared:
                        print_message("warning: no marked part was judged by both bundles: none can be lost")
                write_exam(folder, exam.exam)

        with time_stage(seconds, "report"):
            write_report(
                folder,
                ReportData(
                    manifest=manifest,
                    contamination=contamination,
                    choices=choices,
                    images=images,
                    patch_suspicion=estimate.patches,
                    kept=kept,
                    origins=learned.origins,
                    floors=learned.floors,
                    scores=scores,
                    seconds=seconds,
                    alignment=prepared.alignment,
                    resolution=prepared.resolution,
                    exam=exam,
                    unvouched=int((~learned.rule.corroboration.is_known).sum()) if learned.rule else 0,
                    taught=taught,
                ),
                settings.language,
            )
            manifest = finish_bundle(folder, manifest, prepared.network.backbone, settings.sign)

    if marked:
        _note_places(target, marked)
    return Export(
        path=target,
        manifest=manifest,
        images=list(images.paths),
        skipped=list(images.skipped),
        contamination=contamination,
        kept=kept,
        origins=learned.origins,
        floors=learned.floors,
        scores=scores,
        seconds=seconds,
        taught=taught,
        exam=exam,
    )


def _note_places(target: Path, marked: MarkedParts) -> None:
    """Note where the images of the exam lie, for the next export; it does without where that can't be."""
    try:
        add_places(target, marked.places)
    except OSError as error:
        print_message(f"warning: {error.filename}: can't be written ({error.strerror})")
