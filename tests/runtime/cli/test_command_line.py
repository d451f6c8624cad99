from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from softcore_runtime import errors
from softcore_runtime.cli.command_line import (
    INTERRUPTED,
    Parser,
    run,
    silence_opencv,
    start,
)
from softcore_runtime.missing_library import explain_import

Work = Callable[[argparse.Namespace], "int | None"]


def parser() -> Parser:
    parser = Parser("softcore-try", "Try something.", epilog="example: softcore-try --k 3")
    parser.add_argument("--k", type=int, default=1)
    parser.add_argument("--good", choices=["yes", "no"])
    return parser


def raising(error: BaseException) -> Work:
    def work(_: argparse.Namespace) -> None:
        raise error

    return work


def only_line(captured: pytest.CaptureFixture[str]) -> str:
    out, err = captured.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.rstrip("\n")


@pytest.mark.parametrize("code", [None, 0, 1, 7])
def test_the_exit_code_is_what_work_returned(code: int | None, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(parser(), lambda _: code, []) == (code or 0)
    assert capfd.readouterr() == ("", "")


def test_what_the_runtime_warns_of_is_said_by_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    def work(_options: argparse.Namespace) -> None:
        log = logging.getLogger("softcore_runtime.backends.ort")
        log.info("unheard")
        log.warning("that takes\nminutes")

    given = list(logging.getLogger("softcore_runtime").handlers)
    for handler in given:  # the line's own
        logging.getLogger("softcore_runtime").removeHandler(handler)
    try:
        assert run(parser(), work, []) == 0
        assert capfd.readouterr().err == "softcore-try: warning: that takes minutes\n"
        assert logging.getLogger("softcore_runtime").handlers == []
    finally:
        for handler in given:
            logging.getLogger("softcore_runtime").addHandler(handler)


def test_options_reach_the_work() -> None:
    assert run(parser(), lambda options: options.k, ["--k", "42"]) == 42


NAMES = [name for name in errors.__all__ if name != "MissingLibraryError"]


@pytest.mark.parametrize("name", NAMES)
def test_every_error_is_one_line_and_its_exit_code(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    error = getattr(errors, name)(f"pill.png:\n  can't\r\nbe {name}\n")
    assert run(parser(), raising(error), []) == (2 if isinstance(error, errors.UsageError) else 3)
    assert only_line(capfd) == f"softcore-try: pill.png: can't be {name}"


def test_a_missing_library_is_the_users_to_install(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(parser(), raising(errors.MissingLibraryError("OpenCV", "cpu")), []) == 2
    assert only_line(capfd).endswith("pip install 'softcore[cpu]'")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, 3),
        (errno.EIO, 3),
        (errno.ENOENT, 3),
        (errno.EACCES, 2),
        (errno.EROFS, 2),
        (errno.EPERM, 2),
    ],
)
def test_the_operating_systems_errors(number: int, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    said = os.strerror(number)
    assert run(parser(), raising(OSError(number, said, "bundles/a\nb")), []) == code
    assert only_line(capfd) == f"softcore-try: bundles/a b: {said}"
    assert run(parser(), raising(OSError(number, said)), []) == code
    assert only_line(capfd) == f"softcore-try: {said}"


def test_out_of_memory(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(parser(), raising(MemoryError()), []) == 3
    assert only_line(capfd) == "softcore-try: out of memory"


@pytest.mark.parametrize("error", [RuntimeError("odd\nthing"), KeyError("odd thing"), OSError("odd thing")])
def test_a_fault_of_softcore_itself_says_how_to_see_more(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(parser(), raising(error), []) == 70
    assert re.fullmatch(
        rf"softcore-try: {type(error).__name__}: '?odd thing'?; --debug shows where", only_line(capfd)
    )


@pytest.mark.parametrize("error", [errors.DataError("no"), RuntimeError("no"), OSError(errno.ENOSPC, "no")])
def test_debug_raises(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        run(parser(), raising(error), ["--debug"])
    assert caught.value is error


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_ctrl_c(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(parser(), raising(KeyboardInterrupt()), arguments) == INTERRUPTED == 130
    assert only_line(capfd) == "softcore-try: interrupted"


@pytest.mark.parametrize("explained", [False, True])
def test_ctrl_c_while_a_library_in_c_is_imported(capfd: pytest.CaptureFixture[str], explained: bool) -> None:
    """As pybind11 tells of it: the library isn't broken."""
    failed = ImportError("initialization failed", name="onnxruntime")
    failed.__cause__ = KeyboardInterrupt()

    def work(_: argparse.Namespace) -> int:
        if explained:
            raise explain_import(failed) from failed
        raise failed

    assert run(Parser("softcore-x", "For tests."), work, []) == INTERRUPTED
    assert capfd.readouterr() == ("", "softcore-x: interrupted\n")


def test_sigterm_runs_the_clean_up_and_is_then_handled_as_before() -> None:
    """In a process of its own: a signal that comes late would end the tests."""
    code = """if True:
        import os, signal
        from softcore_runtime.cli.command_line import Parser, run
        before = signal.getsignal(signal.SIGTERM)

        def work(_):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                signal.pause()
            finally:
                print("cleaned")

        print(run(Parser("softcore-try"), work, []), signal.getsignal(signal.SIGTERM) is before)
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0, "cleaned\n130 True\n", "softcore-try: interrupted\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["--k", "three"],
        ["--k"],
        ["--good", "may\nbe"],
        ["--unknown"],
        ["pill"],
        ["a\nb\r\nc"],
        ["--goo", "yes"],
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(parser(), lambda _: 0, arguments)
    assert caught.value.code == 2
    said = only_line(capfd)
    assert said.startswith("softcore-try: ")
    assert said.endswith(" (try softcore-try --help)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--goood", "yes"], "unknown option --goood; did you mean --good?"),
        (["--goood=yes"], "unknown option --goood; did you mean --good?"),
        (["--GOOD", "yes"], "unknown option --GOOD; did you mean --good?"),
        (["--vers"], "unknown option --vers; did you mean --version?"),
        (["--turquoise"], "unknown option --turquoise"),
        (["--k"], "argument --k: expected one argument"),
        (["--k", "1", "--", "--goood"], "unrecognized arguments: -- --goood"),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(parser(), lambda _: 0, arguments)
    assert only_line(capfd) == f"softcore-try: {said} (try softcore-try --help)"


def test_an_invalid_choice_is_answered_with_the_choices_and_the_nearest(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run(parser(), lambda _: 0, ["--good", "yess"])
    said = only_line(capfd)
    assert re.search(
        r"invalid choice: 'yess' \(choose from '?yes'?, '?no'?\); did you mean yes\? \(try", said
    )
    with pytest.raises(SystemExit):
        run(parser(), lambda _: 0, ["--good", "perhaps"])
    assert "did you mean" not in only_line(capfd)


def test_an_unknown_option_comes_before_the_argument_that_is_missing_for_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with_required = parser()
    with_required.add_argument("--category", required=True)
    with pytest.raises(SystemExit):
        run(with_required, lambda _: 0, ["--categry", "pill"])
    assert "unknown option --categry; did you mean --category?" in only_line(capfd)


def commands() -> Parser:
    with_commands = parser()
    verify = with_commands.add_command("verify", "", "", work=lambda options: int(options.head))
    verify.add_argument("--head")
    within = with_commands.add_command("export", "", "")
    within.add_command("all", "", "", work=raising(errors.DataError("nothing")))
    return with_commands


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verfy"], "softcore-try: argument COMMAND: invalid choice: 'verfy'"),
        (["verfy"], "did you mean verify?"),
        (["verify", "--haed", "1"], "softcore-try verify: unknown option --haed; did you mean --head?"),
        (["verify", "--goood", "yes"], "softcore-try verify: unknown option --goood (try"),
        (["--goood", "yes", "verify"], "softcore-try: unknown option --goood; did you mean --good?"),
        (["export", "al"], "did you mean all?"),
    ],
)
def test_commands_of_a_command_are_known_too(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(commands(), arguments=arguments)
    assert caught.value.code == 2
    assert said in only_line(capfd)


def test_the_command_that_was_chosen_does_its_work(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(commands(), arguments=["verify", "--head", "7"]) == 7
    assert run(commands(), arguments=["--k", "3", "export", "all"]) == 3
    assert only_line(capfd) == "softcore-try export: nothing"
    for arguments in (
        ["--debug", "export", "all"],
        ["export", "--debug", "all"],
        ["export", "all", "--debug"],
    ):
        with pytest.raises(errors.DataError):
            run(commands(), arguments=arguments)


@pytest.fixture
def write_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function that writes a module of a command, to be imported once."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str) -> str:
        name = f"{tmp_path.name}_{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def test_a_command_that_starts(write_command: Callable[[str], str]) -> None:
    assert start("softcore-try", write_command("main = len"), ["a", "b"]) == 2


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("import nosuch.library", 2, "nosuch is not installed; run: pip install nosuch"),
        ("import softcore_runtime.nosuch", 70, "ModuleNotFoundError: No module named 'softcore_"),
        ("raise ValueError('odd')", 70, "ValueError: odd; --debug shows where"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_imported_is_one_line(
    text: str, code: int, said: str, write_command: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert start("softcore-try", write_command(text), ["--help"]) == code
    assert only_line(capfd).startswith(f"softcore-try: {said}")


def test_a_command_that_cannot_be_imported_has_its_version_and_with_debug_a_traceback(
    write_command: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert start("softcore-try", write_command("import nosuch.library"), ["--version"]) == 0
    assert capfd.readouterr() == (f"softcore-try {version('softcore')}\n", "")
    assert start("softcore-try", write_command("import nosuch.library"), ["--debug"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("Traceback (most recent call last):")
    assert said.endswith("softcore-try: nosuch is not installed; run: pip install nosuch\n")


def test_version_and_help(capfd: pytest.CaptureFixture[str]) -> None:
    for option, said in (
        ("--version", f"softcore-try {version('softcore')}\n"),
        ("--help", "softcore-try --k 3"),
    ):
        with pytest.raises(SystemExit) as caught:
            run(parser(), lambda _: 1, [option])
        assert caught.value.code == 0
        out, err = capfd.readouterr()
        assert said in out
        assert err == ""


def script(work: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        "import sys, time\n"
        "from pathlib import Path\n"
        "from softcore_runtime import read_image\n"
        "from softcore_runtime.cli.command_line import Parser, run\n"
        "parser = Parser('softcore-try', '')\n"
        "parser.add_argument('file', nargs='?', type=Path)\n"
        f"def work(options):\n    {work}\n"
        "sys.exit(run(parser, work))",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_is_no_text_is_printed_escaped(encoding: str) -> None:
    ended = subprocess.run(
        script("print('gr\\udcfcn', 'grün')"),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
    )
    wanted = "gr\\udcfcn grün\n" if encoding == "utf-8" else "gr\\udcfcn gr\\xfcn\n"
    assert (ended.returncode, ended.stdout.decode(), ended.stderr) == (0, wanted, b"")


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_signalled(number: signal.Signals) -> None:
    command = script("print('ready', flush=True); time.sleep(60)")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "softcore-try: interrupted\n"


def test_a_process_that_nohup_keeps_goes_on_when_its_terminal_hangs_up() -> None:
    command = script("print('ready', flush=True); sys.stdin.readline(); print('done')")
    with subprocess.Popen(
        ["nohup", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate("go on\n", timeout=30)
    assert (process.returncode, said) == (0, "done\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("count", [1, 100_000])
def test_a_full_disk_behind_standard_output(count: int) -> None:
    """A short output fails only when it is flushed, which the interpreter would do too late to answer for."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            script(f"print('x' * {count})"), stdout=full, stderr=subprocess.PIPE, text=True, env=BUFFERED
        )
    assert (ended.returncode, ended.stderr) == (3, "softcore-try: No space left on device\n")


@pytest.mark.parametrize("count", [1, 1_000_000])
def test_nobody_reads_on(count: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        ended = subprocess.run(
            script(f"print('x' * {count})"), stdout=closed, stderr=subprocess.PIPE, text=True, env=BUFFERED
        )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_bad_image_is_one_line_whatever_the_decoders_print(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    ended = subprocess.run([*script("read_image(options.file)"), str(path)], capture_output=True, text=True)
    assert ended.returncode == 3
    *others, said = ended.stderr.splitlines()
    assert said.startswith(f"softcore-try: {path}: ")
    # OpenCV 4 writes some of its complaints where nothing can keep them back.
    assert others == [] or cv2.__version__.startswith("4.")


def test_opencv_is_silent_on_request(tmp_path: Path) -> None:
    (tmp_path / "x.avi").write_text("no video")
    code = """if True:
        import sys
        import cv2
        from softcore_runtime.cli.command_line import silence_opencv
        if sys.argv[2] == "silent":
            silence_opencv()
        for target in (97, sys.argv[1]):
            cv2.VideoCapture(target).release()
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENCV_")}

    def stderr(mode: str) -> str:
        command = [sys.executable, "-c", code, str(tmp_path / "x.avi"), mode]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr

    assert stderr("silent") == ""
    assert stderr("loud") != ""


def test_an_own_ffmpeg_level_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "32")
    silence_opencv()
    assert os.environ["OPENCV_FFMPEG_LOGLEVEL"] == "32"
