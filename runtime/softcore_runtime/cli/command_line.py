"""Command line: what the three commands share, so that errors, interruption and exit codes are alike."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from itertools import takewhile
from types import FrameType
from typing import NoReturn

from softcore_runtime.backends.cpus import limit_threads
from softcore_runtime.errors import MissingLibraryError, SoftCoreError, UsageError
from softcore_runtime.missing_library import add_extra, explain_import, is_of_library

__all__ = ["INTERRUPTED", "Parser", "find_nearest", "run", "silence_opencv", "start", "suggest"]

INTERRUPTED = 130  # the shell's code for a command ended by Ctrl-C
_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT
_EXTRAS = {"softcore-calibrate": "calibrate", "softcore-edge": "edge", "softcore-export": "export"}
_INVALID_CHOICE = re.compile(r"invalid choice: (?P<given>.+) \(choose from (?P<choices>.+)\)$", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An argument parser with `--debug` and `--version`, whose errors are one line and exit code 2."""

    def __init__(self, prog: str, description: str = "", epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        # No default: a command's below this one would overwrite what was given before its name.
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show a traceback on errors"
        )
        self.add_argument("--version", action="version", version=f"%(prog)s {version('softcore')}")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as `argparse` does, but tell of an unknown option before a missing argument.

        What is missing is often what was mistyped.
        """
        given = list(sys.argv[1:] if args is None else args)
        known = set(_list_options(self))
        for text in takewhile("--".__ne__, given):
            name = text.partition("=")[0]
            if name.startswith("--") and " " not in name and name not in known:
                self.error(f"unknown option {name}{suggest(name, known)}")
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, with the nearest known name where there is one, and leave."""
        if match := _INVALID_CHOICE.search(message):
            choices = [choice.strip(" '") for choice in match["choices"].split(",")]
            message = f"{message}{suggest(match['given'].strip(chr(39)), choices)}"
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (try {self.prog} --help)\n")


def run(
    parser: Parser, work: Callable[[argparse.Namespace], int | None], arguments: Sequence[str] | None = None
) -> int:
    """Parse, work, and turn what was raised into one line on standard error and an exit code.

    0 done; 2 a user's mistake; 3 a fault of bundle or data; 130 interrupted (Ctrl-C, SIGTERM, SIGHUP);
    70 a fault of SoftCore itself.
    """
    options = parser.parse_args(arguments)
    debug = getattr(options, "debug", False)
    if not debug:
        silence_opencv()
    _escape_output()
    limit_threads()
    # A terminal that hangs up ends a command as Ctrl-C does, unless nohup keeps it.
    ending = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]
    previous = [signal.signal(one, _interrupt) for one in ending]
    try:
        with _let_runtime_speak(parser.prog):
            code = work(options) or 0
        sys.stdout.flush()  # here, where a full disk or a closed pipe is still answered for
        return code
    except KeyboardInterrupt:
        return _say_interrupted(parser.prog)
    except BrokenPipeError:  # `softcore-edge ... | head`: nobody reads on, and that is no fault
        _settle_output()
        return 0
    except Exception as error:
        if debug:
            raise
        return _answer(parser.prog, error)
    finally:
        for one, handler in zip(ending, previous, strict=True):
            signal.signal(one, handler)


def _list_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Name the options of a parser and of its commands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _list_options(one)


def start(prog: str, module: str, arguments: Sequence[str] | None = None) -> int:
    """Import a command and run it: what its import lacks is one line, too.

    A console script that imported the command itself would end in a traceback.

    Args:
        prog: the command's name.
        module: where its `main` is.
        arguments: those of the command; None takes the process's.

    Returns:
        The exit code, as `run` gives it.
    """
    try:
        limit_threads()  # what the libraries read when they are imported
        main: Callable[[Sequence[str] | None], int] = import_module(module).main
    except KeyboardInterrupt:
        return _say_interrupted(prog)
    except Exception as error:
        given = sys.argv[1:] if arguments is None else arguments
        if "--debug" in given:
            traceback.print_exception(error)
        elif given == ["--version"]:
            print(f"{prog} {version('softcore')}")  # noqa: T201
            return 0
        return _answer(prog, error)
    return main(arguments)


def _answer(prog: str, error: Exception) -> int:
    """Say in one line on standard error what was raised, each mistake a line; give the exit code."""
    if _hides_interruption(error):
        return _say_interrupted(prog)
    known = _explain(error, _EXTRAS.get(prog.partition(" ")[0]))
    lines, code = known or ((f"{type(error).__name__}: {error}; --debug shows where",), _INTERNAL)
    for line in lines:
        print(f"{prog}: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201
    _settle_output()
    return code


def _say_interrupted(prog: str) -> int:
    with suppress(OSError):  # of a terminal that hung up
        print(f"{prog}: interrupted", file=sys.stderr)  # noqa: T201
    return INTERRUPTED


def _hides_interruption(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C came while a library in C was imported, which makes an ImportError of it."""
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
    """Keep OpenCV's and FFmpeg's own words off standard error, for the whole process.

    Whatever matters in them comes back as an error, in the one line that names the place.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # read when it is imported
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read at the first opening
    if cv2 := sys.modules.get("cv2"):  # not imported for this: a command that needs no images starts without
        # OpenCV 4 has the function on top, OpenCV 5 in a module.
        set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
        set_level(_SILENT)


def _escape_output() -> None:
    """Escape on standard output what its encoding lacks, as standard error does: a file's name may be any."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="backslashreplace")


class _StandardError(logging.Handler):
    """Writes what the runtime warns of as a command says everything."""

    def __init__(self, prog: str) -> None:
        super().__init__(logging.WARNING)
        self._prog = prog

    def emit(self, record: logging.LogRecord) -> None:
        words = " ".join(f"{record.levelname.lower()}: {record.getMessage()}".split())
        print(f"{self._prog}: {words}", file=sys.stderr)  # noqa: T201


@contextmanager
def _let_runtime_speak(prog: str) -> Iterator[None]:
    """Say what the runtime logs, where the command has no logs of its own."""
    log = logging.getLogger("softcore_runtime")
    handler = None if log.handlers else _StandardError(prog)
    if handler:
        log.addHandler(handler)
    try:
        yield
    finally:
        if handler:
            log.removeHandler(handler)


def _settle_output() -> None:
    """Give up what standard output won't take, or the interpreter would complain of it again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def find_nearest(given: str, known: Iterable[str]) -> str | None:
    """Find the known name that is nearest to a mistyped one, or that it begins; None where none is near.

    Example:
        >>> find_nearest("chekc", ["ask", "check", "replay"])
        'check'
        >>> find_nearest("--sav", ["--save-overlays", "--source"])
        '--save-overlays'
    """
    names = {_fold(name): name for name in known}
    sought = _fold(given)
    begun = [name for name in names if len(sought.strip("-")) > 1 and name.startswith(sought)]
    near = difflib.get_close_matches(sought, begun, n=1, cutoff=0) or difflib.get_close_matches(
        sought, names, n=1
    )
    return names[near[0]] if near else None


def suggest(given: str, known: Iterable[str]) -> str:
    """Word the known name that is nearest to a mistyped one, to be put behind a message.

    Example:
        >>> suggest("chekc", ["ask", "check", "replay"])
        '; did you mean check?'
        >>> suggest("pill", ["ask", "check", "replay"])
        ''
    """
    near = find_nearest(given, known)
    return f"; did you mean {near}?" if near else ""


def _fold(name: str) -> str:
    return name.lower().replace("_", "-")
