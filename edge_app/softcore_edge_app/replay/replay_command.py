"""Replay command: `softcore-edge replay`, which makes recorded decisions again and compares them by bits."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from softcore_runtime import BundleError, UsageError
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.cli.bundle_choice import BUNDLES, choose_bundle
from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.numbers import parse_count
from softcore_runtime.cli.progress import track

from softcore_edge_app.outputs.archive_record import list_kept
from softcore_edge_app.printable import printable
from softcore_edge_app.replay.replay import Outcome, Repeated, repeat
from softcore_edge_app.replay.replay_bundles import ReplayBundles
from softcore_edge_app.replay.replay_records import Recorded, read_archive, read_ledger

__all__ = ["add_command"]

_DESCRIPTION = """\
Make recorded decisions again, from the images in an archive, and compare: the decision must be the same,
and the score to the last bit, where an exact one was recorded and this machine computes as the line's did.
Each part is decided on by the bundle that decided then, with the threshold that held then. Each difference is
a line on standard output, the summary goes to standard error."""

_EPILOG = """\
examples:
  softcore-edge replay archive/
  softcore-edge replay line1.ledger --archive archive/    (the ledger says what was decided)
  softcore-edge replay archive/ --bundle bundles/pill --bundle backup/screw --json > replayed.jsonl

exit codes:
  0  all that could be replayed came out the same
  2  a mistake in the command
  3  something came out differently, nothing could be replayed, or a fault of bundle or ledger
  130  interrupted; the summary is still written"""

_DIFFERENT = 3


def add_command(commands: Parser) -> None:
    """Add `replay` to the commands of `softcore-edge`."""
    parser = commands.add_command(
        "replay", "make recorded decisions again, and compare", _DESCRIPTION, _EPILOG, work=_work
    )
    parser.add_argument(
        "recorded", type=Path, metavar="LEDGER_OR_FOLDER", help="a ledger, or an archive's folder"
    )
    parser.add_argument(
        "--archive", type=Path, metavar="DIR", help="the archive that has the images of a ledger's parts"
    )
    parser.add_argument(
        "--bundle",
        action="append",
        metavar="PATH",
        help="a bundle's folder, or its name under bundles/, where one is to be looked for; "
        "may be repeated (default: all under bundles/)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object a recorded decision")
    parser.add_argument(
        "--threads",
        type=parse_count,
        metavar="N",
        help="threads of network and index, as on the line (default: all)",
    )


def _work(options: argparse.Namespace) -> int:
    recorded, total, alone = _read(options.recorded, options.archive)
    bundles = ReplayBundles(_find_bundles(options.bundle), options.threads)
    outcomes: Counter[Outcome] = Counter()
    remarks: Counter[tuple[Outcome, str]] = Counter()
    try:
        for repeated in _track(recorded, total, bundles):
            outcomes[repeated.outcome] += 1
            if repeated.detail and repeated.outcome is not Outcome.DIFFERENT:
                remarks[repeated.outcome, repeated.detail] += 1
            if options.json:
                print(_format_json(repeated), flush=True)
            elif repeated.outcome is Outcome.DIFFERENT:
                print(f"{repeated.recorded.name}: {printable(repeated.detail or '')}", flush=True)
    finally:
        _summarise(outcomes, remarks, alone)
    same = outcomes[Outcome.SAME_SCORE] + outcomes[Outcome.SAME_DECISION]
    return 0 if same and not outcomes[Outcome.DIFFERENT] else _DIFFERENT


def _read(recorded: Path, archive: Path | None) -> tuple[Iterable[Recorded], int, int]:
    """Return what is recorded, its number, and how many decisions of the ledger the archive lacks."""
    if recorded.is_dir():
        if archive is not None:
            raise UsageError(f"--archive is for a ledger; {recorded} is a folder")
        return read_archive(recorded), sum(map(len, list_kept(recorded))), 0
    if not recorded.is_file():
        raise UsageError(f"{recorded}: no such ledger or folder")
    if archive is None or not archive.is_dir():
        raise UsageError(f"{recorded}: a ledger needs --archive DIR, the folder that has its parts' images")
    found, alone = read_ledger(recorded, archive)
    return found, len(found), alone


def _find_bundles(given: Sequence[str] | None) -> list[Path]:
    if given:
        return [choose_bundle(one) for one in given]
    found = [path.parent for path in sorted(BUNDLES.glob("*/manifest.json")) if _is_readable(path.parent)]
    if not found:
        raise UsageError(f"no bundle under {BUNDLES}/ here: name those that decided with --bundle")
    return found


def _is_readable(bundle: Path) -> bool:
    try:
        read_manifest(bundle)
    except BundleError as error:  # it may not be needed
        print(f"softcore-edge replay: warning: {error}", file=sys.stderr)
        return False
    return True


def _track(recorded: Iterable[Recorded], total: int, bundles: ReplayBundles) -> Iterator[Repeated]:
    """Repeat the recorded decisions one by one, with a bar on a terminal."""
    # A printed line replaces the bar, which is drawn again below it.
    return track((repeat(one, bundles) for one in recorded), "replay", total, prints=True)


def _format_json(repeated: Repeated) -> str:
    record, now = repeated.recorded.record, repeated.now
    fields = {
        "record": repeated.recorded.name,
        "trigger": record and record.trigger,
        "camera": record and record.camera,
        "outcome": repeated.outcome,
        "detail": repeated.detail,
        "decision": record and record.decision,
        "score": record and record.score,
        "bound": record and record.bound,
        "decision_now": now and now.decision,
        "score_now": now and now.score,
    }
    return json.dumps(fields, allow_nan=False)


def _summarise(outcomes: Counter[Outcome], remarks: Counter[tuple[Outcome, str]], alone: int) -> None:
    exact, same = outcomes[Outcome.SAME_SCORE], outcomes[Outcome.SAME_DECISION]
    lines = [
        f"{outcomes.total()} recorded decisions: {exact + same} the same, {exact} of them to the last bit of "
        f"the score; {outcomes[Outcome.DIFFERENT]} different; {outcomes[Outcome.NOT_REPLAYED]} not replayed"
    ]
    words = {
        Outcome.NOT_REPLAYED: "not replayed",
        Outcome.SAME_DECISION: "the decision alone was compared",
        Outcome.SAME_SCORE: "the same score",
    }
    lines += [
        f"{count} times {words[outcome]}: {printable(remark)}"
        for (outcome, remark), count in remarks.most_common()
    ]
    if alone:
        lines.append(f"{alone} more decisions of the ledger have no record in the archive")
    if not outcomes.total() - outcomes[Outcome.NOT_REPLAYED]:
        lines.append("nothing could be compared")
    print("\n".join(lines), file=sys.stderr)
