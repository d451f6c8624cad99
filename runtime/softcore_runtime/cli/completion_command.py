"""Completion command: `softcore completion`, which prints a script that completes every command.

The scripts are static: pressing the Tab key starts no Python, which would import OpenCV each time.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import shtab

from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.commands import Command, find_commands
from softcore_runtime.errors import MissingLibraryError

__all__ = ["SHELLS", "build_parser", "main", "render_completion"]

SHELLS = ("bash", "fish", "zsh")

_DESCRIPTION = """\
Print a script that makes a shell complete softcore and every softcore-... command that is installed:
commands, options, what an option can be, files and folders."""

_EPILOG = """\
examples:
  source <(softcore completion bash)       in ~/.bashrc
  eval "$(softcore completion zsh)"        in ~/.zshrc, after compinit
  softcore completion fish | source        in ~/.config/fish/config.fish

exit codes:
  0  done, 2  a mistake in the command, or shtab, which writes the scripts, is not installed"""

_PATHS = {"archive", "bundle", "source"}  # arguments that take a path as a text
_FOLDERS = {"BUNDLE", "DIR", "ROOT"}  # what help calls a folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore completion` and return its exit code."""
    return run(build_parser(), _work, arguments)


def build_parser() -> Parser:
    """Build the parser of `softcore completion`."""
    parser = Parser("softcore completion", _DESCRIPTION, _EPILOG)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, fish or zsh")
    return parser


def render_completion(shell: str) -> str:
    """Write the script for a shell.

    Args:
        shell: one of `SHELLS`.
    """
    commands = find_commands()
    trees = [_build_umbrella(commands)]
    for command in commands.values():
        if " " not in command.prog:  # else it is only a word of `softcore`
            trees += [argparse.ArgumentParser(command.prog, **_merge(parser)) for parser in _build(command)]
    return "\n".join(_render(tree, shell) for tree in trees)


def _work(options: argparse.Namespace) -> None:
    print(render_completion(options.shell))


def _build(command: Command) -> Iterator[Parser]:
    """Build the parser of a command; none if a library that it needs isn't installed."""
    try:
        yield command.build_parser()
    except (ImportError, MissingLibraryError):
        return


def _build_umbrella(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Build the parser of `softcore` with all that its commands take."""
    tree = argparse.ArgumentParser("softcore", parents=[Parser("softcore")], add_help=False)
    below = tree.add_subparsers(parser_class=argparse.ArgumentParser)
    for name, command in commands.items():
        for parser in _build(command):
            below.add_parser(name, help=command.summary, description=command.summary, **_merge(parser))
    return tree


def _merge(parser: Parser) -> dict[str, Any]:
    """Return what makes an `ArgumentParser` that takes all that a parser and its commands take."""
    if parser.parts != [parser]:
        for action in parser._actions:
            if not action.option_strings:
                action.help = argparse.SUPPRESS  # the names of the commands are completed in its place
    # Options of both parts, such as --help, are taken once.
    return {"parents": parser.parts, "add_help": False, "conflict_handler": "resolve"}


def _render(tree: argparse.ArgumentParser, shell: str) -> str:
    _mark_paths(tree)
    # A name of its own: shtab's own for `softcore edge` and `softcore-edge` is the same.
    script = shtab.complete(tree, shell, root_prefix=tree.prog.replace("-", "_of_"))
    return _add_folders(script, shell)


def _mark_paths(parser: argparse.ArgumentParser) -> None:
    """Have files or folders completed for the arguments that take a path."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _mark_paths(below)
        elif action.type is Path or action.dest in _PATHS:
            folders = action.metavar in _FOLDERS
            setattr(action, "complete", shtab.DIRECTORY if folders else shtab.FILE)  # noqa: B010 - shtab's


def _add_folders(script: str, shell: str) -> str:
    """Have folders completed beside the commands of softcore-edge, since its first word may be a bundle.

    bash does so by itself.
    """
    if shell == "zsh":
        return re.sub(r"(_describe 'softcore[ -]edge commands' _commands)", r"\1\n  _files -/", script)
    if shell == "fish" and "complete -c softcore-edge " in script:
        folders = "-n __fish_use_subcommand -a '(__fish_complete_directories)'"
        return f"{script}\ncomplete -c softcore-edge {folders}\n"
    return script
