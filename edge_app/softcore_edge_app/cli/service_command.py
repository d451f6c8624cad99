"""Service command: `softcore-edge install-service`, which makes a line a service of systemd."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.cli.command_line import Parser
from softcore_runtime.errors import SoftCoreError, UsageError

from softcore_edge_app.configuration.configuration import read_configuration
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.health.service_unit import (
    STATE,
    SYSUSERS,
    USER,
    ServiceUnit,
    render_sysusers,
    render_unit,
)

__all__ = ["add_command"]

_DESCRIPTION = """\
Write a systemd service that runs a line: started with the machine, and again whenever it ends or hangs.
Relative paths in the configuration then start at /var/lib/softcore. Nothing is started without --now."""

_EPILOG = """\
examples:
  sudo softcore-edge install-service /etc/softcore/line1.toml --name line1
  softcore-edge install-service line1.toml --print
  sudo softcore-edge install-service /etc/softcore/line1.toml --name line1 --now

exit codes:
  0  written, 2  a mistake in the command or the configuration, 3  systemd refuses it"""

_UNITS = Path("/etc/systemd/system")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_HIDDEN = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - named to be refused


def add_command(commands: Parser) -> None:
    """Add `install-service` to the commands of `softcore-edge`."""
    parser = commands.add_command(
        "install-service", "make a line a service of this machine", _DESCRIPTION, _EPILOG, work=_work
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the line's TOML file")
    parser.add_argument(
        "--name", type=_name, default="edge", metavar="NAME", help="of softcore-NAME.service (default: edge)"
    )
    parser.add_argument(
        "--user", type=_name, default=USER, metavar="USER", help=f"whom it runs as (default: {USER})"
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="write into the system under DIR, as for an image"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--print", action="store_true", help="only print the unit")
    what.add_argument("--now", action="store_true", help="enable and start it, too")


def _work(options: argparse.Namespace) -> None:
    if options.root and options.now:
        raise UsageError("--now starts a service of this machine, not of the system under --root")
    configuration = read_configuration(options.config)
    root = options.root.resolve() if options.root else None
    unit = _describe(configuration, options, root)
    text = render_unit(unit)
    if options.print:
        print(text, end="")
        return
    base = root or Path("/")
    path = base / (_UNITS / unit.file).relative_to("/")
    users = base / SYSUSERS.relative_to("/")
    for file, content in ((users, render_sysusers(unit.user)), (path, text)):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content, mode=0o644)
        print(f"wrote {file}")
    if configuration.ledger is None:
        print(f"note: {options.config} names no ledger, so nothing keeps what was decided")
    steps = [
        ["systemd-sysusers", str(SYSUSERS)],
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--now", unit.file],
    ]
    if options.now:
        for step in steps:
            _call(step)
        print(f"{unit.file} runs; see: systemctl status {unit.file}, journalctl -u {unit.file}")
    else:
        print("\n".join(["next:", *(f"  sudo {' '.join(step)}" for step in steps)]))


def _describe(configuration: Configuration, options: argparse.Namespace, root: Path | None) -> ServiceUnit:
    program, config = _place(_find_program(), root), _place(options.config.resolve(), root)
    at_home = [path for path in (program, config) if _lies_in(path, _HOMES)]
    if at_home and options.user == USER:
        raise UsageError(
            f"{at_home[0]}: lies in a home, which a service doesn't see; "
            "put it into /opt or /etc/softcore, or name the home's owner with --user"
        )
    if _lies_in(config, _HIDDEN):
        raise UsageError(f"{config}: a service has a /tmp of its own; put it into /etc/softcore")
    return ServiceUnit(
        name=options.name,
        program=program,
        config=config,
        user=options.user,
        writable=tuple(_find_writable(configuration)),
        home=bool(at_home),
        low_port=configuration.http is not None and 0 < configuration.http.port < 1024,
    )


def _find_program() -> Path:
    """Find `softcore-edge` beside this Python, or else on the path."""
    beside = Path(sys.executable).with_name("softcore-edge")
    found = str(beside) if beside.is_file() else shutil.which("softcore-edge")
    if found is None:
        raise UsageError("softcore-edge: not beside this Python nor on the path; install softcore first")
    return Path(found).absolute()


def _find_writable(configuration: Configuration) -> Iterable[Path]:
    """List the folders to write to outside the service's own: of ledger, images, and bundles (thresholds)."""
    places = {configuration.ledger.parent} if configuration.ledger else set()
    places |= {configuration.save_overlays} if configuration.save_overlays else set()
    places |= {configuration.archive.folder} if configuration.archive else set()
    for camera in (configuration, *configuration.cameras.values()):
        shadows = (camera.shadow, *camera.shadows.values())
        places |= {Path(path) for path in (camera.bundle, *camera.recipes.values(), *shadows) if path}
    return sorted(place for place in places if place.is_absolute() and not _lies_in(place, [STATE]))


def _place(path: Path, root: Path | None) -> Path:
    """Return the path in the system under `root`."""
    return Path("/") / path.relative_to(root) if root and path.is_relative_to(root) else path


def _lies_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _call(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SoftCoreError(f"{command[0]}: not found; is this a system with systemd?") from error
    except subprocess.CalledProcessError as error:
        raise SoftCoreError(f"{' '.join(command)}: {error.stderr.strip() or error}") from error


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"takes letters, digits and _ . -, not {text!r}")
    return text
