"""Promote command: `softcore-edge promote`, which lets a shadow and the bundle change places."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime import LedgerError, SourceError, UsageError, read_bundle
from softcore_runtime.bundle.manifest import Manifest, seal_of
from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.cli.command_line import Parser

from softcore_edge_app.cli.line_client import find_url, read_token, request_line
from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.configuration import read_configuration
from softcore_edge_app.configuration.exchange import exchange_values
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.configuration.overlaps import list_cameras
from softcore_edge_app.ledger.check import check_end
from softcore_edge_app.queries.shadow_figures import ShadowFigures, compute_shadow_figures
from softcore_edge_app.queries.shadow_report import describe_shadow

__all__ = ["add_command"]

_DESCRIPTION = """\
Let the shadow of a line, its bundle on trial, decide: in the configuration file `bundle` and `shadow` change
places, and so they do in the line itself if it runs here and has an HTTP port. What the ledger says of both
goes to standard output. The same command is the way back.

A shadow that has seen no part as it is now, or whose threshold is provisional, is refused."""

_EPILOG = """\
examples:
  softcore-edge promote line1.toml
  softcore-edge promote line1.toml --camera left --recipe pill
  softcore-edge promote line1.toml --force        the way back, before the old bundle has seen a part

exit codes:
  0  done, in a running line too, or from its next start on
  2  a mistake in the command, or the shadow may not decide; nothing was changed
  3  a fault of bundle or ledger; or the file was changed, and a running line refuses: start it again"""


@dataclass(frozen=True)
class _Trial:
    """A bundle on trial, and the one that decides; `recipe` and `camera` are None where there is no name."""

    camera: str | None
    recipe: str | None
    bundle: str | None
    shadow: str
    place: Place
    shadow_place: Place

    def __str__(self) -> str:
        named = {"--camera": self.camera, "--recipe": self.recipe}
        return " ".join(f"{option} {name}" for option, name in named.items() if name)


def add_command(commands: Parser) -> None:
    """Add `promote` to the commands of `softcore-edge`."""
    parser = commands.add_command(
        "promote", "let a bundle on trial decide", _DESCRIPTION, _EPILOG, work=_work
    )
    parser.add_argument("config", type=Path, metavar="FILE", help="the line's own configuration, a TOML file")
    parser.add_argument("--camera", metavar="NAME", help="of which camera, where there are several shadows")
    parser.add_argument("--recipe", metavar="NAME", help="beside which recipe, likewise")
    parser.add_argument(
        "--force", action="store_true", help="also one that saw no part yet, or that nobody calibrated"
    )
    parser.add_argument("--url", metavar="URL", help="where the line is (default: as FILE says)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="holds the token that changes need")


def _work(options: argparse.Namespace) -> None:
    file: Path = options.config
    line = read_configuration(file)
    trial = _choose(file, line, options.camera, options.recipe)
    if trial.bundle is None:
        raise UsageError(f"{file}: names no bundle, whose place the shadow could take; write bundle = ...")
    path = choose_bundle(trial.shadow)
    if path.resolve() == choose_bundle(trial.bundle).resolve():
        raise UsageError(f"{file}: the shadow {trial.shadow} is the bundle itself")
    manifest = read_bundle(path, line.trust.trust if line.trust else None).manifest
    figures = list(_find_figures(line, trial, manifest))
    if not options.force:
        _check(trial, path, manifest, figures)
    token = read_token(options.token_file or (line.http.token_file if line.http else None))
    url = find_url(options.url, line.http) if line.http else options.url
    exchange_values(file, trial.place, trial.shadow_place)
    for one in figures:
        print("\n".join(describe_shadow(one)))
    print(f"{file}: {trial.shadow} decides, {trial.bundle} is its shadow; the same command is the way back")
    if url is None:
        print("a line that runs takes it at its next start: it has no HTTP port")
        return
    body = {"camera": trial.camera, "recipe": trial.recipe, "bundle": seal_of(manifest), "force": True}
    try:
        request_line(f"{url}/api/promote", {key: value for key, value in body.items() if value}, token)
    except SourceError:
        print(f"no line runs at {url}: it holds from the line's next start on")
    except UsageError as error:
        raise SourceError(
            f"{file} was changed, but not the running line; start it again ({error})"
        ) from error
    else:
        print(f"the line at {url} decides by {trial.shadow} from the next trigger on")


def _choose(file: Path, line: Configuration, camera: str | None, recipe: str | None) -> _Trial:
    trials = list(_list_trials(line))
    found = [one for one in trials if camera in (None, one.camera) and recipe in (None, one.recipe)]
    if len(found) == 1:
        return found[0]
    if not trials:
        raise UsageError(f"{file}: no shadow is configured; write shadow = ... beside bundle")
    there = ", ".join(str(one) or "one without a name" for one in trials)
    if found:
        raise UsageError(f"{file}: several shadows, name one: {there}")
    raise UsageError(f"{file}: no such shadow; there are: {there}")


def _list_trials(line: Configuration) -> Iterator[_Trial]:
    for place, camera in list_cameras(line):
        name = place[-1] if place else None
        if camera.shadow is not None:
            keys = (*place, "bundle"), (*place, "shadow")
            yield _Trial(name, None, camera.bundle, camera.shadow, *keys)
        for recipe, shadow in camera.shadows.items():
            keys = (*place, "recipes", recipe), (*place, "shadows", recipe)
            yield _Trial(name, recipe, camera.recipes[recipe], shadow, *keys)


def _find_figures(line: Configuration, trial: _Trial, manifest: Manifest) -> Iterator[ShadowFigures]:
    """Find what the ledger says of a shadow with the threshold that it has now."""
    if line.ledger is None or not line.ledger.exists():
        return
    if fault := check_end(line.ledger).fault:
        raise LedgerError(f"{line.ledger}: {fault}; nothing was promoted")
    seal = seal_of(manifest)
    for figures in compute_shadow_figures(line.ledger):
        if figures.shadow.bundle == seal and trial.camera in (None, figures.camera):
            yield figures


def _check(trial: _Trial, path: Path, manifest: Manifest, figures: list[ShadowFigures]) -> None:
    if manifest.threshold.provisional:
        raise UsageError(
            f"the threshold of {trial.shadow} is provisional; run softcore-calibrate {path}, or add --force"
        )
    if not sum(one.seen for one in figures):
        raise UsageError(
            f"{trial.shadow}: the ledger has no part that it saw with its present threshold; let the line "
            "run with it as the shadow, or add --force"
        )
