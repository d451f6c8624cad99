"""Options: what `softcore-calibrate` takes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.numbers import read_count, read_percent, read_positive, read_share
from softcore_runtime.cli.option_groups import add_engine_options, add_language_option
from softcore_runtime.errors import UsageError

from softcore_calibration.confirmation import DRASTIC, FACTOR
from softcore_calibration.objective import Objective

__all__ = [
    "DEFECTS",
    "build_parser",
    "list_given",
    "list_places",
    "read_objective",
    "rewrite_command",
]

_DESCRIPTION = """\
Choose a bundle's threshold on labelled images, run through the very bundle that ships, and write it into
the bundle with what it rests on. Without images the training images' own scores stand in.

PATH is a folder of images, an image, a video, or a table (CSV with the columns path and label)."""

_EPILOG = """\
examples (the first after softcore-export --demo, which draws demo/pill):
  softcore-calibrate bundles/pill --data demo/pill --max-overkill 0.05 --report threshold.html
  softcore-calibrate bundles/pill --good checked/good
  softcore-calibrate bundles/pill --data DATASETS/pill --max-overkill 0.05 --confidence 0.95
  softcore-calibrate bundles/pill --good good --bad bad --cost-escape 50 --cost-overkill 1 --defect-rate 0.002
  softcore-calibrate bundles/pill --data labels.csv --max-overkill 0.02 --max-escape 0.05 --review-band
  softcore-calibrate bundles/pill --data DATASETS/pill --report threshold.html --dry-run
  softcore-calibrate bundles/pill --revert

exit codes:
  0    the threshold is written (with --dry-run: found)
  2    a mistake in the command
  3    a fault of the bundle, or images that can't carry what is asked
  70   a fault of SoftCore itself
  130  interrupted (Ctrl-C, SIGTERM); the bundle is as it was"""

_OVERKILL = 0.01  # the objective if none is named
DEFECTS = 0.01  # the share of defective parts that expected counts are given for, unless one is named


def build_parser() -> Parser:
    """Build the parser of `softcore-calibrate`."""
    parser = Parser("softcore-calibrate", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="the bundle's folder, or the name of one under bundles/"
    )
    images = parser.add_argument_group("images")
    for kind in ("good", "bad"):
        images.add_argument(
            f"--{kind}",
            type=Path,
            metavar="PATH",
            action="append",
            default=[],
            help=f"{kind} parts; repeatable",
        )
    images.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        action="append",
        default=[],
        help="both kinds: ROOT/CATEGORY in MVTec AD's layout (its test part), or a table",
    )
    objective = parser.add_argument_group(f"objective (one; default --max-overkill {_OVERKILL})")
    objective.add_argument(
        "--max-overkill", type=read_share, metavar="A", help="at most the share A of good parts fails"
    )
    objective.add_argument(
        "--max-escape",
        type=read_share,
        metavar="B",
        help="at most the share B of bad parts passes; with --max-overkill and --review-band both hold",
    )
    objective.add_argument("--cost-escape", type=read_positive, metavar="X", help="an escape costs X ...")
    objective.add_argument(
        "--cost-overkill", type=read_positive, metavar="Y", help="... and an overkill Y: least cost"
    )
    objective.add_argument("--f1", action="store_true", help="the highest F1 score")
    objective.add_argument("--youden", action="store_true", help="the highest Youden index")
    objective.add_argument(
        "--percentile", type=read_percent, metavar="Q", help="Q %% of the good images pass"
    )
    objective.add_argument("--value", type=read_positive, metavar="T", help="this very threshold")
    objective.add_argument(
        "--confidence",
        type=read_share,
        metavar="C",
        help="keep the promise of --max-overkill or --max-escape with this confidence over samples, not only "
        "on average; also that of the intervals that are told (0.95)",
    )
    objective.add_argument(
        "--defect-rate",
        type=read_share,
        metavar="R",
        help=f"share of defective parts on the line ({DEFECTS})",
    )
    threshold = parser.add_argument_group("threshold")
    threshold.add_argument(
        "--review-band",
        nargs="?",
        type=read_share,
        const=0.0,
        metavar="W",
        help="a grey zone whose parts go to a person (REVIEW): of the share W on either side of the "
        "threshold, or without W from the --max-escape threshold to the --max-overkill threshold",
    )
    threshold.add_argument(
        "--mask", type=Path, metavar="IMAGE", help="inspect nothing where this image of a frame is white"
    )
    threshold.add_argument(
        "--min-area",
        type=read_count,
        metavar="N",
        help="fail only where N pixels of the anomaly map (of crop x crop) are above the threshold",
    )
    result = parser.add_argument_group("result")
    result.add_argument("--report", type=Path, metavar="FILE.html", help="write a report to look at")
    add_language_option(result, "the report and the page")
    result.add_argument(
        "--serve", action="store_true", help="open the report as a page that can set the threshold"
    )
    result.add_argument(
        "--accept",
        action="store_true",
        help=f"set the threshold also where it is more than {FACTOR} times the one before, or less than a "
        f"{FACTOR}th of it ({DRASTIC:g} times or half, where --value names it); without this a person is "
        "asked at the terminal, or the threshold refused",
    )
    result.add_argument("--dry-run", action="store_true", help="change nothing")
    result.add_argument("--revert", action="store_true", help="go back to the threshold before this one")
    result.add_argument(
        "--sign",
        type=Path,
        metavar="KEY",
        help="sign the threshold with this private key (softcore keys new makes one), for lines with [trust]",
    )
    speed = parser.add_argument_group("speed")
    add_engine_options(
        speed,
        engine="what runs the network; take the line's (auto)",
        provider="what computes; take the line's (auto: the first that can here)",
    )
    speed.add_argument("--threads", type=read_count, metavar="N", help="of network and index (all)")
    return parser


def read_objective(options: argparse.Namespace) -> Objective:
    """Return the objective that the options ask for.

    Raises:
        UsageError: there are two, or a part of one is missing.
    """
    costs = (options.cost_escape, options.cost_overkill)
    if (costs[0] is None) != (costs[1] is None):
        raise UsageError("--cost-escape and --cost-overkill go together: only their ratio matters")
    chosen = {
        "--max-overkill": options.max_overkill is not None,
        "--max-escape": options.max_escape is not None,
        "--cost-escape": costs[0] is not None,
        "--f1": options.f1,
        "--youden": options.youden,
        "--percentile": options.percentile is not None,
        "--value": options.value is not None,
    }
    names = [name for name, there in chosen.items() if there]
    zone = options.review_band
    confidence = options.confidence
    if names == ["--max-overkill", "--max-escape"]:
        if zone != 0:
            raise UsageError(
                "--max-overkill and --max-escape: one threshold seldom keeps both; add --review-band, and "
                "what lies between their two thresholds goes to a person"
            )
        both = {"overkill": options.max_overkill, "escape": options.max_escape}
        return Objective("band", both, confidence)
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)}: choose one objective")
    if zone == 0:
        raise UsageError("--review-band: needs a width, or both --max-overkill and --max-escape")
    name = names[0] if names else "--max-overkill"
    if confidence is not None and name not in ("--max-overkill", "--max-escape"):
        raise UsageError(
            f"--confidence {confidence:g}: {name} makes no promise that could be kept with confidence"
        )
    if options.defect_rate is not None and name == "--cost-escape":
        defects = {"defects": options.defect_rate}
    else:
        defects = {}
    kind, parameters = {
        "--max-overkill": ("overkill", {"share": options.max_overkill or _OVERKILL}),
        "--max-escape": ("escape", {"share": options.max_escape}),
        "--cost-escape": ("cost", {"escape": costs[0], "overkill": costs[1], **defects}),
        "--f1": ("f1", {}),
        "--youden": ("youden", {}),
        "--percentile": ("percentile", {"percent": options.percentile}),
        "--value": ("value", {"value": options.value}),
    }[name]
    return Objective(kind, parameters, confidence, zone)


def list_places(options: argparse.Namespace) -> list[tuple[Path, bool | None]]:
    """List the places of images, each with whether they are bad; None if the place says that itself."""
    return [
        *((path, False) for path in options.good),
        *((path, True) for path in options.bad),
        *((path, None) for path in options.data),
    ]


def list_given(options: argparse.Namespace) -> list[str]:
    """Return the names of the options that differ from their defaults, sorted; without the bundle."""
    usual = vars(build_parser().parse_args([str(options.bundle)]))
    return sorted(
        f"--{name.replace('_', '-')}" for name, value in vars(options).items() if value != usual.get(name)
    )


def rewrite_command(arguments: Sequence[str], changes: Mapping[str, str]) -> str:
    """Write the command with other values of some options, so that it can be typed as it is.

    Example:
        >>> rewrite_command(["pill", "--good", "my parts"], {"--max-overkill": "0.034"})
        "softcore-calibrate pill --good 'my parts' --max-overkill 0.034"
    """
    words, rest = list(arguments), dict(changes)
    for option, value in changes.items():
        for place, word in enumerate(words):
            if word == option and place + 1 < len(words):
                words[place + 1] = value
                rest.pop(option, None)
            elif word.startswith(f"{option}="):
                words[place] = f"{option}={value}"
                rest.pop(option, None)
    end = words.index("--") if "--" in words else len(words)
    words[end:end] = [word for pair in rest.items() for word in pair]
    return shlex.join(["softcore-calibrate", *words])
