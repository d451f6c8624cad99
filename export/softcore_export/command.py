"""The command `softcore-export`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from softcore_runtime.command_line import Parser, run
from softcore_runtime.engine import ENGINES, PROVIDERS, describe_backbone
from softcore_runtime.errors import MissingLibraryError, UsageError

if TYPE_CHECKING:
    from softcore_export.export import Export
    from softcore_export.settings import ExportSettings

__all__ = ["main"]

_EXAMPLES = """\
examples:
  softcore-export --demo --backbone filterbank       draw a category and try SoftCore out; needs no download
  softcore-export --category pill --data DATASETS    MVTec AD's layout, or DATASETS/pill with pictures in it
  softcore-export --category pill --weights wrn50.pth   where torchvision can't download its weights
"""
_FEW = 20  # training pictures: it works with fewer, but the limit then says little
_SHOWN = 5  # suspects, and unreadable pictures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-export`; returns the exit code."""
    return run(_parser(), _export, arguments)


def _parser() -> Parser:
    parser = Parser(
        "softcore-export",
        "Learn a product from a folder of mostly good pictures and write a bundle for the line.",
        _EXAMPLES,
    )
    data = parser.add_argument_group("pictures")
    data.add_argument("--category", default="pill", help="name of the product, and of the bundle (pill)")
    data.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="folder with ROOT/CATEGORY in it: MVTec AD's layout or plain pictures; "
        "default $SOFTCORE_DATA, then ./datasets",
    )
    data.add_argument("--demo", action="store_true", help="draw ROOT/CATEGORY first (ROOT then ./demo)")
    data.add_argument("--limit", type=int, metavar="N", help="use the first N pictures by name")
    data.add_argument(
        "--resize", type=int, default=256, help="pixels of the square that a picture is brought to"
    )
    data.add_argument("--crop", type=int, default=224, help="pixels of its middle that the network sees")

    network = parser.add_argument_group("network")
    network.add_argument(
        "--backbone",
        help="wide_resnet50_2 (default), resnet18, resnet50, any network of torchvision, or filterbank, "
        "which has no weights and is for trying out (default with --demo)",
    )
    network.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="a torchvision state dict; default: torchvision downloads its own",
    )
    network.add_argument("--layers", nargs="+", default=[], metavar="LAYER", help="default: layer2 layer3")

    network.add_argument(
        "--engine",
        choices=("auto", *ENGINES),
        default="auto",
        help="what runs the network, now and on the line (auto: the fastest that is installed)",
    )
    network.add_argument(
        "--provider",
        choices=("auto", *PROVIDERS),
        default="auto",
        help="what it computes on (auto: cuda where that can compute, else cpu)",
    )
    network.add_argument(
        "--tensorrt",
        action="store_const",
        dest="provider",
        const="tensorrt",
        help="the same as --provider tensorrt: the engines for this machine's GPU are built, and kept in the "
        "bundle; another machine's are built there (softcore-edge prepare)",
    )
    network.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
        default="auto",
        help="what it computes in; decisions are compared with fp32's (auto: bf16 where this machine has it)",
    )
    network.add_argument(
        "--dimensions", type=int, metavar="D", help="project features to D dimensions: a smaller bank"
    )
    network.add_argument(
        "--labelled",
        type=Path,
        metavar="DIR",
        help="labelled pictures, DIR/good and other folders: measure what precision and dimensions cost",
    )
    network.add_argument(
        "--max-loss",
        type=float,
        default=0.005,
        metavar="AUROC",
        help="refuse to export where they cost more image AUROC than this (0.005)",
    )

    method = parser.add_argument_group("method")
    method.add_argument(
        "--discriminator",
        choices=("auto", "lof", "nearest", "gaussian", "none"),
        default="auto",
        help="judge of patches: auto needs no telling how dirty the pictures are; lof, nearest and gaussian "
        "are the paper's and take --tau; none is PatchCore (auto)",
    )
    method.add_argument("--lof-k", type=int, default=6, metavar="K", help="lof: neighbours (6)")
    method.add_argument(
        "--tau",
        type=float,
        default=0.15,
        help="lof, nearest, gaussian: share of patches to throw away (0.15)",
    )
    method.add_argument("--coreset-ratio", type=float, default=0.1, help="share of all patches to keep (0.1)")
    method.add_argument(
        "--sampler", choices=("greedy", "random"), default="greedy", help="of the coreset (greedy k-centre)"
    )
    method.add_argument(
        "--soft-weights",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="lof, nearest, gaussian: weigh distances by the kept patches' outlier factors (on)",
    )
    method.add_argument("--seed", type=int, default=0, help="of every random choice (0)")
    method.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")

    parser.add_argument(
        "--review",
        action="store_true",
        help="then open a page on this machine where you confirm or veto each suspect and export again",
    )
    parser.add_argument("--out", type=Path, default=Path("bundles"), metavar="DIR", help="default ./bundles")
    return parser


def _export(options: argparse.Namespace) -> int:
    category = options.category
    if not category or category != Path(category).name or category.startswith("."):
        raise UsageError(f"--category {category!r}: must be a plain name")
    settings = _settings(options)
    root = options.data or Path("demo" if options.demo else os.environ.get("SOFTCORE_DATA", "datasets"))

    # Only now, for they take seconds: --help and mistakes are answered at once.
    from softcore_export.dataset import FEWEST, TrainingPictures, find_training_folder
    from softcore_export.procedural_pill import draw_category

    if options.limit is not None and options.limit < FEWEST:
        raise UsageError(f"--limit {options.limit}: at least {FEWEST} pictures are needed")
    if options.demo and not (root / category).exists():
        _say(f"drawing {root / category}")
        draw_category(root / category, seed=options.seed)
    pictures = TrainingPictures.find(find_training_folder(root, category), options.limit)
    _say(f"{len(pictures.paths)} pictures in {pictures.folder}")
    if len(pictures.paths) < _FEW:
        _say(f"warning: that is few; {_FEW} or more give a limit that means something")

    try:
        from softcore_export.choices import choices_path, read_choices
        from softcore_export.export import export, prepare

        if options.review:  # a web server takes its time to load
            from softcore_export.review import review
    except ModuleNotFoundError as error:
        raise MissingLibraryError(error.name or "a library", "export") from error

    target = options.out / category
    if options.review:
        with prepare(pictures, target, settings) as prepared:
            review(prepared, target, _report, _say)
    else:
        _report(export(pictures, target, settings, read_choices(choices_path(target))))
    return 0


def _settings(options: argparse.Namespace) -> ExportSettings:
    from softcore_export.settings import ExportSettings

    try:
        return ExportSettings.model_validate(
            {
                "backbone": options.backbone or ("filterbank" if options.demo else "wide_resnet50_2"),
                "weights": options.weights,
                "layers": tuple(options.layers),
                "discriminator": options.discriminator,
                "lof_k": options.lof_k,
                "tau": options.tau,
                "coreset_ratio": options.coreset_ratio,
                "sampler": options.sampler,
                "soft_weights": options.soft_weights,
                "preprocessing": {"resize": options.resize, "crop": options.crop},
                "engine": options.engine,
                "provider": options.provider,
                "precision": options.precision,
                "dimensions": options.dimensions,
                "labelled": options.labelled,
                "max_loss": options.max_loss,
                "seed": options.seed,
                "device": options.device,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][-1]).replace("_", "-")
        option = "resize, --crop" if option == "preprocessing" else option
        raise UsageError(f"--{option}: {first['msg']}, not {first['input']}") from error


def _report(done: Export) -> None:
    manifest = done.manifest
    bank, index, threshold = manifest.bank, manifest.index, manifest.threshold
    if done.skipped:
        _say(f"warning: {len(done.skipped)} pictures could not be read and were left out:")
        for line in done.skipped[:_SHOWN]:
            _say(f"  {line}")
        if len(done.skipped) > _SHOWN:
            _say(f"  and {len(done.skipped) - _SHOWN} more")
    size = sum(record.bytes for record in manifest.files.values()) / 1e6
    print(
        f"{done.path}: {size:.1f} MB, {bank.n:,} entries of {bank.dim} numbers, "
        f"from {len(done.pictures)} pictures"
    )
    print(f"  limit      {threshold.value:.4g}, provisional: {threshold.method}")
    print(
        f"  search     recall@1 {index.recall:.4f} at ef {index.ef_search}; decisions are exact all the same"
    )
    backbone, hints, agreement = manifest.backbone, manifest.hints, manifest.agreement
    print(f"  hints      {hints.count} a position, which leave {hints.left_open:.1f} patches a frame open")
    print(
        f"  network    {describe_backbone(backbone.engine, backbone.provider, backbone.precision)}; "
        f"in fp32 within {manifest.parity.max_relative:.1e} of torch"
    )
    if agreement:
        print(
            f"  agreement  {agreement.held_back - agreement.flipped} of {agreement.held_back} held-back "
            "pictures are decided as in fp32"
        )
    if agreement and agreement.auroc is not None and agreement.auroc_fp32 is not None:
        print(
            f"  AUROC      {agreement.auroc:.4f} on {agreement.labelled} labelled pictures, "
            f"{agreement.auroc_fp32:.4f} in fp32"
        )
    print(f"  time       {', '.join(f'{stage} {spent:.1f} s' for stage, spent in done.seconds.items())}")
    estimate = done.contamination.estimate
    print(
        f"  defective  {estimate.value:.1%} of the training pictures, by estimate "
        f"({estimate.low:.1%} to {estimate.high:.1%})"
    )
    suspects = [image for image in done.contamination.images if image.suspicion > 1]
    names = ", ".join(image.path for image in suspects[:_SHOWN])
    more = f" and {len(suspects) - _SHOWN} more" if len(suspects) > _SHOWN else ""
    print(f"  suspects   {names}{more}" if suspects else "  suspects   none")
    print(f"  report     {done.path / 'report.html'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
