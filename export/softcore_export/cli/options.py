"""Options: what `softcore-export` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.option_groups import add_engine_options, add_language_option

from softcore_export.backbone.catalogue import FILTERBANK
from softcore_export.settings import ExportSettings

__all__ = ["build_parser", "name_backbone"]

_EPILOG = """\
examples:
  softcore-export --demo                             draw a category and learn bundles/pill; needs no download
  softcore-export --category pill --data DATASETS    MVTec AD's layout, or DATASETS/pill with images in it
  softcore-export --category pill --data DATASETS --weights wrn50.pth    where weights can't be downloaded
  softcore-export --category pill --data DATASETS --review               then look at the suspects
  softcore-export --all --data DATASETS              every category there, with a page about all of them
  softcore-export --update bundles/pill --good new/                  with more images of good parts
  softcore-export --category pill --data DATASETS --bad checked/bad --no-worse    refuse what loses a part
  softcore-export --convert bundles/pill             rewrite a bundle of an earlier format

then: softcore-calibrate bundles/pill --data demo/pill --max-overkill 0.05

exit codes:
  0    the bundle is written
  2    a mistake in the command
  3    images that can't carry an export, its own checks or --no-worse failed (with --all: of any category)
  70   a fault of SoftCore itself
  130  interrupted (Ctrl-C, SIGTERM); an earlier bundle is as it was"""


def build_parser() -> Parser:
    """Build the parser of `softcore-export`."""
    parser = Parser(
        "softcore-export",
        "Learn a product from a folder of mostly good images and write a bundle for the line.",
        _EPILOG,
    )
    data = parser.add_argument_group("images")
    data.add_argument("--category", default="pill", help="name of the product, and of the bundle (pill)")
    data.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="folder with ROOT/CATEGORY in it: MVTec AD's layout or plain images; "
        "default $SOFTCORE_DATA, then ./datasets",
    )
    data.add_argument(
        "--update",
        type=Path,
        metavar="BUNDLE",
        help="export this bundle anew, by the settings and from the images that it was exported with, and "
        "from what is added with --good, --bad and --labels; takes no other settings",
    )
    data.add_argument(
        "--all",
        action="store_true",
        help="every folder of ROOT with images in it, one after the other, with one page about all of them; "
        "run again it exports what failed, is new, or has other images by now",
    )
    data.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="with --all: on the machines of this Ray cluster (host:6379, ray://host:10001, or local), which "
        "see the same folders",
    )
    data.add_argument("--demo", action="store_true", help="draw ROOT/CATEGORY first (ROOT then ./demo)")
    data.add_argument("--max-images", metavar="N", help="use the first N images by name")
    data.add_argument("--limit", dest="max_images", help=argparse.SUPPRESS)  # its name up to 0.1
    confirmed = parser.add_argument_group("confirmed parts: what a person has said of some of them")
    confirmed.add_argument(
        "--good",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="images of good parts: they join the training images and are never suspected (again for more)",
    )
    confirmed.add_argument(
        "--bad",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="images of defective parts: nothing of them is learned, and what looks like their defects isn't "
        "taken for good (again for more)",
    )
    confirmed.add_argument(
        "--labels",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="both, in a table (CSV) with path and label, or a folder of softcore-edge ledger labels",
    )
    confirmed.add_argument(
        "--no-worse",
        action="store_true",
        help="refuse a bundle that loses a part: one that is marked, and that the bundle before decided "
        "rightly; that one stays then",
    )
    confirmed.add_argument("--accept", action="store_true", help="take it all the same")
    windows = parser.add_argument_group("windows: where images are inspected, and how closely")
    windows.add_argument(
        "--resize",
        metavar="PIXELS",
        help="squeeze the whole image to a square of so many pixels (those of --crop, so that all of it is "
        "inspected; oblong images aren't squeezed)",
    )
    windows.add_argument(
        "--crop",
        metavar="PIXELS",
        help="side of its middle that the network sees, or of each window (224)",
    )
    windows.add_argument(
        "--align",
        choices=("none", "translation", "rigid", "auto"),
        help="bring every part to its place first: its position, or position and angle; a part that can't be "
        "aligned is INVALID; auto: only where it makes the training images clearly more alike (auto; none "
        "with --roi X,Y,W,H or --roi-image, which lie on the frame then, and with filterbank)",
    )
    windows.add_argument(
        "--resolution",
        metavar="auto|224|320|448|N",
        help="show all of it to the network in so many pixels, as --resize N --crop N do, or each window; "
        "auto measures on the images and on this machine which size pays",
    )
    windows.add_argument(
        "--budget",
        metavar="MS",
        default=40.0,
        help="milliseconds a frame that the network may take with --resolution auto (40)",
    )
    windows.add_argument(
        "--grid",
        metavar="N",
        help="average each window's features to a grid of N x N: a smaller bank, and coarser maps",
    )
    windows.add_argument(
        "--roi",
        metavar="auto|X,Y,W,H",
        help="inspect only this region: left, top, width, height in pixels of the image, or each with a %%; "
        "auto: the foreground that all images share, where it is clear",
    )
    windows.add_argument(
        "--roi-image",
        type=Path,
        metavar="FILE",
        help="inspect only what is white in this image, which fits images of any size",
    )
    windows.add_argument(
        "--tile",
        metavar="PIXELS",
        help="cover it with windows that each show so many pixels of the image: finer defects, more time",
    )
    windows.add_argument(
        "--overlap",
        metavar="PERCENT",
        default=12.5,
        help="of a window's side, shared with its neighbours (12.5)",
    )
    windows.add_argument(
        "--bank-per",
        choices=("auto", "window", "shared"),
        default="shared",
        help="one memory bank for all windows, or a part for each, where nothing is excused by what belongs "
        "elsewhere; auto: a part for each where the windows show different things (shared)",
    )
    windows.add_argument(
        "--keep-aspect",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show oblong images in several windows instead of squeezing them to a square (default: where "
        "the sides differ by more than 1.3 and all images have one shape)",
    )

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
        help="a torchvision state dict, by itself or in a checkpoint; default: torchvision downloads its own",
    )
    network.add_argument("--layers", nargs="+", default=[], metavar="LAYER", help="default: layer2 layer3")

    add_engine_options(
        network,
        engine="what runs the network, now and on the line (auto: the fastest that is installed)",
        provider="what it computes on (auto: cuda where that can compute, else cpu)",
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
    network.add_argument("--dimensions", metavar="D", help="project features to D dimensions: a smaller bank")
    network.add_argument(
        "--labelled",
        type=Path,
        metavar="DIR",
        help="labelled images, DIR/good and other folders: measure what precision and dimensions cost",
    )
    network.add_argument(
        "--max-loss",
        default=0.005,
        metavar="AUROC",
        help="refuse to export where they cost more image AUROC than this (0.005)",
    )

    method = parser.add_argument_group("method")
    method.add_argument(
        "--discriminator",
        choices=("auto", "lof", "nearest", "gaussian", "none"),
        default="auto",
        help="judge of patches: auto needs no telling how dirty the images are; lof, nearest and gaussian "
        "are the paper's and take --tau; none is PatchCore (auto)",
    )
    method.add_argument("--lof-k", default=6, metavar="K", help="lof: neighbours (6)")
    method.add_argument(
        "--tau",
        metavar="T",
        default=0.15,
        help="lof, nearest, gaussian: share of patches to throw away (0.15)",
    )
    method.add_argument(
        "--coreset-ratio",
        metavar="R",
        default="auto",
        help="share of all patches to keep (0.1, and less on a finer grid than 28 x 28)",
    )
    method.add_argument(
        "--sampler", choices=("greedy", "random"), default="greedy", help="of the coreset (greedy k-centre)"
    )
    method.add_argument(
        "--soft-weights",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="lof, nearest, gaussian: weigh distances by the kept patches' outlier factors (on)",
    )
    method.add_argument(
        "--floor",
        metavar="auto|0|L",
        default="auto",
        help="no entry of the memory bank gives a patch a lower score than L times the entry's own distance "
        "to other images, so that a defect that was learned excuses no other (auto: measured with "
        "--discriminator auto, else 0)",
    )
    method.add_argument("--seed", metavar="N", default=0, help="of every random choice (0)")
    method.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")

    parser.add_argument(
        "--review",
        action="store_true",
        help="then open a page on this machine where you confirm or veto each suspect, draw the inspected "
        "region, and export again",
    )
    parser.add_argument(
        "--convert",
        nargs="+",
        metavar="BUNDLE",
        help="rewrite bundles of earlier formats in the present one, without images: their golden frames "
        "must be decided as before, and the threshold is kept",
    )
    parser.add_argument(
        "--sign",
        type=Path,
        metavar="KEY",
        help="sign the bundle with this private key (softcore keys new makes one), for lines with [trust]",
    )
    add_language_option(parser, "the report")
    parser.add_argument("--out", type=Path, default=Path("bundles"), metavar="DIR", help="default ./bundles")
    return parser


def name_backbone(options: argparse.Namespace) -> str:
    """Return the name of the backbone that the options ask for."""
    return options.backbone or (
        FILTERBANK if options.demo else ExportSettings.model_fields["backbone"].default
    )
