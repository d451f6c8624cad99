"""Commands as Markdown: usage, options, examples and exit codes, out of the commands' own parsers."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from unittest.mock import patch

from softcore_runtime.cli import softcore_command
from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.commands import find_commands

__all__ = ["find_parser", "render_command", "render_shared_options"]

_UMBRELLA = "softcore"
_SHARED = ("help", "debug", "version")  # by `dest`
_WIDTH = "100"  # of a usage, in characters
_TITLES = {"positional arguments": "Arguments", "options": "Options"}


def find_parser(words: Sequence[str]) -> Parser:
    """Find the parser of a command such as `softcore-edge ledger verify`.

    Raises:
        LookupError: there is no such command.
    """
    commands = {command.prog: command for command in find_commands().values()}
    length = next((n for n in (2, 1) if " ".join(words[:n]) in commands), 1)
    command = commands.get(" ".join(words[:length]))
    parser = command.build_parser() if command else softcore_command.build_parser()
    for number, word in enumerate(words[length:], length):
        if word not in parser.commands:
            raise LookupError(f"there is no command `{' '.join(words[: number + 1])}`")
        parser = parser.commands[word]
    return parser


def render_command(words: Sequence[str]) -> str:
    """Describe a command and, unless it works without them, those below it; its heading is the page's."""
    return "\n".join(_render(find_parser(words)))


def render_shared_options() -> str:
    """List what every command takes."""
    actions = Parser("softcore-COMMAND", "")._actions
    return "\n".join(_render_table([action for action in actions if action.dest in _SHARED]))


def _render(parser: Parser, level: int = 3) -> Iterator[str]:
    yield from (_escape(paragraph) + "\n" for paragraph in (parser.description or "").split("\n\n"))
    yield from ("```text", _format_usage(parser), "```", "")
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.dest not in _SHARED and not isinstance(action, argparse._SubParsersAction)
        ]
        if actions:
            title = group.title or ""
            yield f"**{_escape(_TITLES.get(title, title[:1].upper() + title[1:]))}**\n"
            yield from ([_escape(group.description), ""] if group.description else [])
            yield from _render_table(actions)
            yield ""
    if parser.prog == _UMBRELLA:
        yield "| command | meaning |\n|---|---|"
        for name, command in find_commands().items():
            link = f"[`softcore {name}`](#{command.prog.replace(' ', '-')})"
            yield f"| {link} | {_escape(command.summary)} |"
        yield ""
    elif parser.parts == [parser]:  # else its commands have headings of their own on the page
        for below in parser.commands.values():
            yield f"{'#' * level} {below.prog}\n"
            yield from _render(below, level + 1)
    yield from _render_epilog(parser.epilog or "")


def _format_usage(parser: argparse.ArgumentParser) -> str:
    with patch.dict(os.environ, {"COLUMNS": _WIDTH, "NO_COLOR": "1"}):
        usage = parser.format_usage().rstrip()
    return re.sub(f"^(usage:| {{{len('usage:')}}}) ", "", usage, flags=re.MULTILINE)


def _render_table(actions: Sequence[argparse.Action]) -> Iterator[str]:
    noun = "option" if actions[0].option_strings else "argument"
    defaults = [_show_default(action) for action in actions]
    # A column of nothing would take its width from what options mean.
    title, rule, cell = (" default |", "---|", " {} |") if any(defaults) else ("", "", "")
    yield f"| {noun} |{title} meaning |\n|---|{rule}---|"
    for action, default in zip(actions, defaults, strict=True):
        names = ", ".join(f"`{name}`" for name in _name(action))
        yield f"| {names} |{cell.format(default)} {_explain(action)} |"


def _name(action: argparse.Action) -> Iterator[str]:
    """Give the forms of an option, each with what follows it."""
    if not action.option_strings:
        yield str(action.metavar or action.dest)
        return
    value = ""
    if action.nargs != 0 and not (action.choices and action.metavar is None):
        shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = {"?": f" [{shown}]", "+": f" {shown} ...", "*": f" [{shown} ...]"}.get(
            str(action.nargs), f" {shown}"
        )
    for name in action.option_strings:
        yield name + value


def _show_default(action: argparse.Action) -> str:
    default = action.default
    if default is None or default is False or default == [] or default == argparse.SUPPRESS:
        return ""
    return "on" if default is True else f"`{default}`"


def _explain(action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter("%(prog)s")
    if isinstance(action, argparse._VersionAction):
        text = "show the version and exit"
    else:
        text = formatter._expand_help(action) if action.help else ""
    text = re.sub(r" ?\(default: %\(default\)s\)", "", text)
    said = [_escape(" ".join(text.split()))]
    if action.choices:
        said.append("One of " + ", ".join(f"`{choice}`" for choice in action.choices) + ".")
    if isinstance(action, argparse._AppendAction) and "repeat" not in text:
        said.append("May be repeated.")
    first, *more = said
    return " ".join([first + ("." if first and more and first[-1] not in ".?" else ""), *more]).strip()


def _render_epilog(epilog: str) -> Iterator[str]:
    """Show the parts of an epilog: each a title that ends with a colon and lines below it, or a paragraph."""
    for part in re.split(r"\n{2,}", epilog.strip("\n")):
        title, _, lines = part.partition("\n")
        if not part:
            continue
        if not title.endswith(":") or not lines:
            yield _escape(part) + "\n"
        elif title == "exit codes:" and (codes := _read_codes(lines)):
            yield "**Exit codes**\n\n| code | meaning |\n|---|---|"
            yield from (f"| {code} | {_escape(meaning)} |" for code, meaning in codes)
            yield ""
        else:
            yield f"**{_escape(title[0].upper() + title[1:-1])}**\n"
            indent = min(len(line) - len(line.lstrip()) for line in lines.splitlines() if line.strip())
            yield from ("```text", *(line[indent:] for line in lines.splitlines()), "```", "")


def _read_codes(lines: str) -> list[tuple[str, str]]:
    """Read `0  done, 2  a mistake`: a number and two spaces begin a code's meaning."""
    numbers = re.split(r"(?:^|[,;]?\s+)(\d{1,3})  +", " " + "\n".join(map(str.strip, lines.splitlines())))
    return [
        (code, " ".join(meaning.split())) for code, meaning in zip(numbers[1::2], numbers[2::2], strict=True)
    ]


def _escape(text: str) -> str:
    """Keep plain text what it is in Markdown, and show options, variables and commands in it as code."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\*_|\[\]])", r"\\\1", text)

    def code(found: re.Match[str]) -> str:
        return f"`{found[0].replace(chr(92), '')}`"

    return re.sub(
        r"(?<![\w`/-])(--[a-z][\w\\-]*|\$[A-Z][\w\\]*|softcore-(?:edge|export|calibrate)\b)", code, text
    )
