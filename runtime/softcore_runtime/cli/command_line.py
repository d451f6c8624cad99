"""Command line: parsing, errors, interruption and exit codes, the same for every command."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from types import FrameType
from typing import NoReturn

from softcore_runtime.backends.cpus import limit_threads
from softcore_runtime.cli.suggestion import suggest
from softcore_runtime.errors import MissingLibraryError, SoftCoreError, UsageError
from softcore_runtime.missing_library import add_extra, explain_import, is_of_library

__all__ = ["INTERRUPTED", "Parser", "run", "silence_opencv", "start"]

Work = Callable[[argparse.Namespace], "int | None"]

INTERRUPTED = 130  # the shell's code for a command ended by Ctrl-C
_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT
_EXTRAS = {
    "softcore backbones": "export",
    "softcore features": "export",
    "softcore-calibrate": "calibrate",
    "softcore-edge": "edge",
    "softcore-export": "export",
}
_INVALID_CHOICE = re.compile(r"invalid choice: (?P<given>.+) \(choose from (?P<choices>.+)\)$", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An argument parser with `--debug` and `--version`, whose errors are one line and exit code 2.

    Args:
        prog: name of the command.
        description: what its help begins with.
        epilog: what its help ends with.
        works_alone: it needs none of its commands: without one it parses arguments of its own. Only a first
            word chooses a command then.

    Attributes:
        commands: the parsers of its commands, by name.

    Example:
        >>> parser = Parser("softcore-count", "Count.", works_alone=True)
        >>> parser.add_argument("file", nargs="?").dest
        'file'
        >>> parser.add_command("verify", "count again", "Count once more.", work=len).prog
        'softcore-count verify'
        >>> parser.parse_args(["--debug", "verify"]).work is len, parser.parse_args(["verif"]).file
        (True, 'verif')
    """

    def __init__(
        self, prog: str, description: str = "", epilog: str | None = None, *, works_alone: bool = False
    ) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.commands: dict[str, Parser] = {}
        self._chooser = Parser(prog) if works_alone else self  # parses what begins with a command
        self._chooser.commands = self.commands
        self._adder: argparse._SubParsersAction[Parser] | None = None
        # Without a default: that of a command would overwrite what was given before the command's name.
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show a traceback on errors"
        )
        self.add_argument("--version", action="version", version=f"%(prog)s {version('softcore')}")

    def add_command(
        self,
        name: str,
        summary: str,
        description: str,
        epilog: str | None = None,
        *,
        work: Work | None = None,
    ) -> Parser:
        """Add a command below this one and return its parser.

        Args:
            name: the word that chooses it.
            summary: its line in the help of this parser.
            description: what its own help begins with.
            epilog: what its own help ends with.
            work: does the command's work. None where the command has commands of its own: their work is
                done, and their errors begin with the name of this command.
        """
        if self._adder is None:
            self._adder = self._chooser.add_subparsers(title="commands", metavar="COMMAND", required=True)
        command = self._adder.add_parser(name, help=summary, description=description, epilog=epilog)
        self.commands[name] = command
        if work:
            command.set_defaults(work=work)
        if not self.get_default("prog"):
            command.set_defaults(prog=command.prog)
        return command

    @property
    def parts(self) -> list[Parser]:
        """The parsers that have all of its arguments: of the choice of a command first, if it works alone."""
        return list(dict.fromkeys([self._chooser, self]))

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as `argparse` does, but report an unknown option before a missing argument.

        A missing argument is often one that was mistyped.
        """
        given = list(sys.argv[1:] if args is None else args)
        first = next((text for text in given if text != "--debug"), "")
        if self._chooser is not self and first in self.commands:
            return self._chooser.parse_known_args(given, namespace)
        chooses = bool(self.commands) and self._chooser is self
        known = set(_list_options(self, below=chooses))
        for text in given:
            if text == "--" or (chooses and not text.startswith("-")):
                break  # what follows is the command's
            name = text.partition("=")[0]
            if name.startswith("--") and " " not in name and name not in known:
                self.error(f"unknown option {name}{suggest(name, known)}")
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Report a mistake in one line, with the nearest known name if there is one, and exit."""
        if match := _INVALID_CHOICE.search(message):
            choices = [choice.strip(" '") for choice in match["choices"].split(",")]
            message = f"{message}{suggest(match['given'].strip(chr(39)), choices)}"
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (try {self.prog} --help)\n")


def run(parser: Parser, work: Work | None = None, arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, work, and turn an error into one line on standard error and an exit code.

    Args:
        parser: of the command.
        work: does the work; its result is the exit code, None for 0. If it is None, the command that was
            chosen among those of the parser does its own.
        arguments: of the command; None takes those of the process.

    Returns:
        0 done; 2 a user's mistake; 3 a fault of bundle or data; 130 interrupted (Ctrl-C, SIGTERM, SIGHUP);
        70 a fault of SoftCore itself.
    """
    options = parser.parse_args(arguments)
    prog: str = getattr(options, "prog", parser.prog)
    debug = getattr(options, "debug", False)
    if not debug:
        silence_opencv()
    _escape_output()
    limit_threads()
    # A terminal that hangs up ends a command as Ctrl-C does, unless nohup keeps it.
    ending = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]
    previous = [signal.signal(one, _interrupt) for one in ending]
    try:
        with _print_runtime_warnings(prog):
            code = (work or options.work)(options) or 0
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be reported
        return int(code)
    except KeyboardInterrupt:
        return _report_interruption(prog)
    except BrokenPipeError:  # `softcore-edge ... | head`: the reader has left, which is no fault
        _discard_output()
        return 0
    except Exception as error:
        if debug:
            raise
        return _report(prog, error)
    finally:
        for one, handler in zip(ending, previous, strict=True):
            signal.signal(one, handler)


def _list_options(parser: Parser, *, below: bool = True) -> Iterator[str]:
    """List the options of a parser and of the commands below it."""
    for action in parser._actions:
        yield from action.option_strings
    for command in parser.commands.values() if below else ():
        yield from _list_options(command)


def start(prog: str, module: str, arguments: Sequence[str] | None = None) -> int:
    """Import a command and run it; a library that its import lacks is reported in one line, too.

    A console script that imported the command itself would end in a traceback.

    Args:
        prog: name of the command.
        module: the module that has its `main`.
        arguments: of the command; None takes those of the process.

    Returns:
        The exit code, as `run` gives it.
    """
    try:
        limit_threads()  # before the import, at which libraries read it
        main: Callable[[Sequence[str] | None], int] = import_module(module).main
    except KeyboardInterrupt:
        return _report_interruption(prog)
    except Exception as error:
        given = sys.argv[1:] if arguments is None else arguments
        if "--debug" in given:
            traceback.print_exception(error)
        elif given == ["--version"]:
            print(f"{prog} {version('softcore')}")  # noqa: T201
            return 0
        return _report(prog, error)
    return main(arguments)


def _report(prog: str, error: Exception) -> int:
    """Report an error on standard error, a line for each mistake, and return the exit code."""
    if _hides_interruption(error):
        return _report_interruption(prog)
    known = _explain(error, _EXTRAS.get(prog) or _EXTRAS.get(prog.partition(" ")[0]))
    lines, code = known or ((f"{type(error).__name__}: {error}; --debug shows where",), _INTERNAL)
    for line in lines:
        print(f"{prog}: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201
    _discard_output()
    return code


def _report_interruption(prog: str) -> int:
    with suppress(OSError):  # from a terminal that hung up
        print(f"{prog}: interrupted", file=sys.stderr)  # noqa: T201
    return INTERRUPTED


def _hides_interruption(error: BaseException | None) -> bool:
    """Return whether Ctrl-C was pressed while a library in C was imported, which raises ImportError then."""
    if not isinstance(error, ImportError | MissingLibraryError):
        return isinstance(error, KeyboardInterrupt)
    return _hides_interruption(error.__cause__ or error.__context__)


def _explain(error: Exception, extra: str | None) -> tuple[tuple[str, ...], int] | None:
    if isinstance(error, ImportError | OSError) and is_of_library(error):
        error = explain_import(error, extra)
    if extra and isinstance(error, MissingLibraryError):
        error = add_extra(error, extra)
    if isinstance(error, SoftCoreError):
        return error.lines, error.exit_code
    if isinstance(error, OSError) and error.errno is not None:
        code = UsageError.exit_code if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM) else 3
        return (f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror),), code
    if isinstance(error, MemoryError):
        return ("out of memory",), 3
    return None


def silence_opencv() -> None:
    """Keep messages of OpenCV and FFmpeg off standard error, for the whole process.

    What matters in them is raised as an error, whose line names the place.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # read when it is imported
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read at the first opening
    if cv2 := sys.modules.get("cv2"):  # a command without images doesn't import it
        # OpenCV 4 has the function at the top, OpenCV 5 in a module.
        set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
        set_level(_SILENT)


def _escape_output() -> None:
    """Escape on standard output what its encoding lacks: the name of a file may be any bytes."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="backslashreplace")


class _StandardError(logging.Handler):
    """Writes warnings of the runtime in the form of the command's own messages."""

    def __init__(self, prog: str) -> None:
        super().__init__(logging.WARNING)
        self._prog = prog

    def emit(self, record: logging.LogRecord) -> None:
        words = " ".join(f"{record.levelname.lower()}: {record.getMessage()}".split())
        print(f"{self._prog}: {words}", file=sys.stderr)  # noqa: T201


@contextmanager
def _print_runtime_warnings(prog: str) -> Iterator[None]:
    """Print warnings of the runtime if the command has no log handlers of its own."""
    log = logging.getLogger("softcore_runtime")
    handler = None if log.handlers else _StandardError(prog)
    if handler:
        log.addHandler(handler)
    try:
        yield
    finally:
        if handler:
            log.removeHandler(handler)


def _discard_output() -> None:
    """Discard what can't be written to standard output, so that the interpreter doesn't report it at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
