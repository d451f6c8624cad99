from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from softcore_runtime.cli import commands as commands_module
from softcore_runtime.cli.commands import Command, find_commands
from softcore_runtime.cli.softcore_command import main

Capsys = pytest.CaptureFixture[str]


def left(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def test_the_commands_are_found_with_what_they_need() -> None:
    found = {name: (command.prog, command.extra) for name, command in find_commands().items()}
    assert found == {
        "backbones": ("softcore backbones", "export"),
        "calibrate": ("softcore-calibrate", "calibrate"),
        "compare": ("softcore compare", "calibrate"),
        "completion": ("softcore completion", ""),
        "edge": ("softcore-edge", "edge"),
        "export": ("softcore-export", "export"),
        "features": ("softcore features", "export"),
        "keys": ("softcore keys", "sign"),
    }


@pytest.mark.parametrize(
    "name", ["backbones", "calibrate", "compare", "completion", "edge", "export", "features", "keys"]
)
def test_each_has_a_parser_of_its_name(name: str) -> None:
    command = find_commands()[name]
    assert command.build_parser().prog == command.prog


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["edge", "ledger", "verify", "gone"], 2, "softcore-edge ledger: gone: no such ledger"),
        (["calibrate", "gone"], 3, "softcore-calibrate: gone: no bundle here"),
    ],
)
def test_a_command_is_run_as_by_its_own_name(
    arguments: list[str], code: int, said: str, capsys: Capsys
) -> None:
    assert main(arguments) == code
    assert said in capsys.readouterr().err


def test_debug_and_help_before_and_after_a_command(capsys: Capsys) -> None:
    with pytest.raises(Exception, match="no such ledger"):
        main(["--debug", "edge", "ledger", "verify", "gone"])
    assert left(["edge", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: softcore-edge ")
    assert left(["edge", "--version"]) == 0
    assert capsys.readouterr().out == f"softcore-edge {version('softcore')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "softcore: the following arguments are required: COMMAND"),
        (["exprot"], "did you mean export?"),
        (["--verison"], "softcore: unknown option --verison; did you mean --version?"),
        (["--debug", "egde", "--camera", "0"], "did you mean edge?"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str, capsys: Capsys) -> None:
    assert left(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_help_names_what_is_installed_and_how_to_install_the_rest(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_module, "is_complete", lambda extra: extra != "export")
    assert left(["--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "edge inspect the frames of cameras" in told
    assert told.count("(needs: pip install 'softcore[export]')") == 3
    assert told.count("(needs:") == 3
    assert left(["--version"]) == 0
    assert capsys.readouterr().out == f"softcore {version('softcore')}\n"


def test_help_imports_nothing_heavy() -> None:
    code = """if True:
        import sys
        from softcore_runtime.__main__ import main
        try:
            main(["--help"])
        finally:
            heavy = {"cv2", "fastapi", "hnswlib", "numpy", "pydantic", "torch", "torchvision"}
            assert not heavy & set(sys.modules)
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_command_that_needs_no_extra_is_installed() -> None:
    assert Command("softcore-try", "try", "nowhere").is_installed
    assert not Command("softcore-try", "try", "nowhere", "gpu").is_installed
