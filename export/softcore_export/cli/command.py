"""The command `softcore-export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from softcore_runtime.backends.engine import describe_backbone
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import UsageError
from softcore_runtime.folders.copies import list_pairs
from softcore_runtime.signing.signatures import SIGNATURES

from softcore_export.cli.options import build_parser
from softcore_export.cli.preflight import ExportRequest, check_request
from softcore_export.cli.update import check_update, describe_source
from softcore_export.data.dataset import TrainingImages
from softcore_export.feature_store.feature_store import open_store
from softcore_export.settings import ExportSettings
from softcore_export.source import write_source
from softcore_export.windows.drawn_region import DrawnRegion

if TYPE_CHECKING:
    from softcore_export.export import Export, PreparedExport

__all__ = ["main"]

_FEW = 20  # training images; with fewer the threshold means little
_SHOWN = 5  # suspects, and unreadable images, that are listed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-export` and return its exit code."""
    return run(build_parser(), partial(_export, arguments=arguments), arguments)


def _export(options: argparse.Namespace, arguments: Sequence[str] | None) -> int:
    if options.all:
        from softcore_export.cli.all_command import export_all

        return export_all(options, arguments)
    if options.ray:
        raise UsageError("--ray: goes with --all, which has several exports to share out")
    if options.convert:
        from softcore_export.cli.convert_command import convert_bundles

        return convert_bundles(options)
    store = open_store()
    if options.update:
        request = check_update(options, build_parser().parse_args([]))
    else:
        request = check_request(options)
    images = request.images or _draw(request)
    _announce(images, request)
    # Imported late, since they take seconds: --help and mistakes are answered at once.
    from softcore_export.contamination.choices import choices_path, read_choices
    from softcore_export.export import export, prepare

    if options.review:  # its web server takes a while to import
        from softcore_export.review.review import review

    target = request.target
    choices = read_choices(choices_path(target))
    settings = _follow_region(request.settings, choices.region)
    given = settings.windows.name_region()
    if choices.region and given:
        print_message(
            f"warning: {given}: overrules the region that was drawn in the review "
            f"({choices_path(target)}); leave it out to inspect that"
        )
    elif choices.region and options.resize is not None:
        print_message(
            f"warning: --resize {options.resize}: has no meaning with the region that was drawn in the "
            "review; --crop is a window's side"
        )
    was_signed = (target / SIGNATURES).exists()
    if options.review:
        exports: list[Export] = []

        def note(done: Export) -> None:
            exports[:] = [done]
            threshold, bank = done.manifest.threshold, done.manifest.bank
            print_message(f"  exported   {done.path}: threshold {threshold.value:.4g}, {bank.n:,} entries")
            _write_source(request, done)

        def look_again(region: DrawnRegion) -> AbstractContextManager[PreparedExport]:
            print_message("the inspected region has changed: the images are looked at again")
            return prepare(images, target, _follow_region(request.settings, region), store)

        with prepare(images, target, settings, store) as prepared:
            review(prepared, target, note, print_message, None if given else look_again)
        for done in exports:  # the last one, if there was any
            _report(done)
            _report_signature(done, settings, was_signed)
    else:
        done = export(images, target, settings, choices, store)
        _write_source(request, done)
        _report(done)
        _report_signature(done, settings, was_signed)
    return 0


def _report_signature(done: Export, settings: ExportSettings, was_signed: bool) -> None:
    if settings.sign:
        print(f"  signed     by {settings.sign}")
    elif was_signed:
        print_message(
            f"warning: {done.path}: the bundle before was signed, this one isn't: add --sign KEY, or run "
            f"softcore keys sign KEY {done.path}"
        )


def _write_source(request: ExportRequest, done: Export) -> None:
    """Write beside the bundle what it was exported from, for `--update`; the bundle is good without it."""
    try:
        source = describe_source(request, done.manifest.dataset.fingerprint, done.contamination)
        write_source(request.target, source)
    except UsageError as error:
        print_message(f"warning: {error}; --update won't know what this bundle was exported from")


def _follow_region(settings: ExportSettings, region: DrawnRegion) -> ExportSettings:
    """Return the settings with the region that was drawn in the review, which `--roi` overrules."""
    windows = settings.windows.model_copy(update={"drawn": region})
    return settings.model_copy(update={"windows": windows})


def _draw(request: ExportRequest) -> TrainingImages:
    from softcore_export.data.procedural_pill import draw_category

    print_message(f"drawing {request.folder}")
    draw_category(request.folder, seed=request.settings.seed)
    return TrainingImages.find(request.folder, request.max_images).confirm(request.confirmed)


def _announce(images: TrainingImages, request: ExportRequest) -> None:
    """Print what was found, with warnings of what may not be meant."""
    from softcore_export.data.survey import survey

    layout = f" ({images.layout})" if images.layout else ""
    print_message(f"{len(images.paths):,} images in {images.folder}{layout}")
    for line in request.confirmed.describe():
        print_message(line)
    if images.repeated:
        pairs = [(path.name, original.name) for path, original in images.repeated.items()]
        print_message(
            f"warning: {_count(pairs)} more with the content of one of them, which is learned once: "
            f"{list_pairs(pairs, 'is')}"
        )
    if len(images.paths) < _FEW:
        print_message(f"warning: that is few; {_FEW} or more give a threshold that means something")
    settings, sizes = request.settings, survey(images.paths)
    for line in (*images.omitted, *sizes.describe(settings.preprocessing, settings.windows)):
        print_message(f"warning: {line}")
    if labelled := request.labelled:
        bad = sum(defective for _, defective in labelled.images)
        layout = f" ({labelled.layout})" if labelled.layout else ""
        print_message(
            f"{len(labelled.images) - bad:,} good and {bad:,} bad images in {labelled.folder}{layout}"
        )
        if labelled.repeated:
            print_message(
                f"warning: {labelled.repeated:,} more with the content of one of them, which counts once"
            )
        for line in labelled.omitted:
            print_message(f"warning: {line}")


def _report(done: Export) -> None:
    manifest = done.manifest
    bank, index, threshold = manifest.bank, manifest.index, manifest.threshold
    if done.skipped:
        count = f"{len(done.skipped)} image{'' if len(done.skipped) == 1 else 's'}"
        print_message(f"warning: {count} could not be read and left out:")
        for line in done.skipped[:_SHOWN]:
            print_message(f"  {line}")
        if len(done.skipped) > _SHOWN:
            print_message(f"  and {len(done.skipped) - _SHOWN} more")
    _report_copies(done)
    if manifest.golden_note:
        print_message(
            f"warning: {manifest.golden_note}; the self-test can't tell then whether a machine finds defects"
        )
    size = sum(record.bytes for record in manifest.files.values()) / 1e6
    print(
        f"{done.path}: {size:.1f} MB, {bank.n:,} entries of {bank.dim} numbers, "
        f"from {len(done.images)} images"
    )
    print(f"  threshold  {threshold.value:.4g}, provisional: {threshold.method}")
    if bank.floor:
        above = int((done.floors > threshold.value).sum())
        others = "towards the third nearest image" if bank.evidence else "to the nearest other image"
        print(
            f"  floors     {bank.floor:.3g} x the distance {others}; "
            f"{above:,} of {bank.n:,} entries have one above the threshold"
        )
    print(
        f"  search     recall@1 {index.recall:.4f} at ef {index.ef_search}; decisions are exact all the same"
    )
    backbone, hints, agreement = manifest.backbone, manifest.hints, manifest.agreement
    print(f"  hints      {hints.count} a position, which leave {hints.left_open:.1f} patches a frame open")
    print(
        f"  network    {describe_backbone(backbone)}; "
        f"in fp32 within {manifest.parity.max_relative:.1e} of torch"
    )
    if agreement:
        print(
            f"  agreement  {agreement.held_back - agreement.flipped} of {agreement.held_back} held-back "
            "images are decided as in fp32"
        )
    if agreement and agreement.auroc is not None and agreement.auroc_fp32 is not None:
        print(
            f"  AUROC      {agreement.auroc:.4f} on {agreement.labelled} labelled images, "
            f"{agreement.auroc_fp32:.4f} in fp32"
        )
    print(f"  time       {', '.join(f'{stage} {spent:.1f} s' for stage, spent in done.seconds.items())}")
    if done.taught:
        print(f"  taught     {done.describe_taught()}")
    print(f"  defective  {done.contamination.estimate.describe()}")
    _report_exam(done)
    suspects = [image for image in done.contamination.images if image.suspicion > 1]
    names = ", ".join(image.path for image in suspects[:_SHOWN])
    more = f" and {len(suspects) - _SHOWN} more" if len(suspects) > _SHOWN else ""
    print(f"  suspects   {names}{more}" if suspects else "  suspects   none")
    print(f"  report     {done.path / 'report.html'}")


def _report_exam(done: Export) -> None:
    """Print what the marked parts say of the bundle."""
    if not done.exam:
        return
    from softcore_export.exam.summary import describe_exam, list_remarks

    for row, line in enumerate(describe_exam(done.exam)):
        print(f"  {'' if row else 'exam':<10} {line}")
    for line in list_remarks(done.exam):
        print_message(f"warning: {line}")


def _report_copies(done: Export) -> None:
    """Print which images are copies of others; files with the same content were named before."""
    copies = done.contamination.copies
    same = [(copy.path, copy.original) for copy in copies if copy.alike == "pixels"]
    near = [(copy.path, copy.original) for copy in done.contamination.near]
    if same:
        print_message(
            f"warning: {_count(same)} more with the very pixels of one of them: {list_pairs(same, 'is')}"
        )
    if near:
        print_message(
            f"warning: {_count(near)} can hardly be told from another one, and a defect in both is hidden: "
            f"{list_pairs(near, 'is like')}; delete what was saved twice, and export again"
        )


def _count(things: Sequence[object]) -> str:
    return f"{len(things):,} image{'' if len(things) == 1 else 's'}"
