"""The check that `make` starts with: a real Python, made to lack what a bare system's lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docker" / "check_system.sh"
COMPILER = "a C++ compiler, with which hnswlib is compiled: there is no "
HEADERS = "Python's headers, with which hnswlib is compiled: there is no /usr/include/none/Python.h"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder, the only one in PATH, with both compilers and an `id` that is an ordinary user's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in (("id", "echo 1000"), ("gcc", ":"), ("g++", ":")):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that this Python finds before its own, and so may lack what they lack."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("CC", "gcc -pthread")
    monkeypatch.setenv("CXX", "g++ -pthread")
    headers = tmp_path / "include"
    headers.mkdir()
    (headers / "Python.h").touch()
    (folder / "sitecustomize.py").write_text(
        f"import sysconfig\nsysconfig.get_path = lambda name: {str(headers)!r}\n"
    )
    return folder


def check(tools: Path, interpreter: str = sys.executable) -> tuple[int, list[str]]:
    done = subprocess.run(
        ["/bin/sh", SCRIPT, interpreter],
        env={**os.environ, "PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.mark.usefixtures("python")
def test_nothing_is_said_where_all_is_there(tools: Path) -> None:
    assert check(tools) == (0, [])


def test_without_anything_it_is_the_whole_line(tools: Path) -> None:
    (tools / "g++").unlink()
    code, lines = check(tools, "python3")
    assert code == 2
    assert lines == [
        "SoftCore's set-up needs what isn't here:",
        "  Python 3.10 or later, with virtual environments and headers: there is no python3",
        f"  {COMPILER}g++",
        "On Debian and Ubuntu:",
        "  sudo apt install g++ python3-dev python3-venv",
    ]


def test_the_readme_has_the_whole_line() -> None:
    assert "sudo apt install make g++ python3-dev python3-venv\n" in (ROOT / "README.md").read_text()


def test_all_that_a_python_lacks_is_said_at_once(tools: Path, python: Path) -> None:
    (python / "ensurepip.py").write_text("raise ImportError\n")
    (python / "sitecustomize.py").write_text(
        "import sysconfig\nsysconfig.get_path = lambda name: '/usr/include/none'\n"
    )
    (tools / "gcc").unlink()
    (tools / "id").write_text("#!/bin/sh\necho 0\n")
    code, lines = check(tools)
    assert code == 2
    assert lines == [
        "SoftCore's set-up needs what isn't here:",
        f"  virtual environments (venv, ensurepip) for {sys.executable}",
        f"  {HEADERS}",
        f"  {COMPILER}gcc",
        "On Debian and Ubuntu:",
        "  apt install g++ python3-dev python3-venv",  # root has no need of sudo, and maybe none of it
    ]


def test_the_line_has_only_what_lacks(tools: Path, python: Path) -> None:
    (python / "ensurepip.py").write_text("raise ImportError\n")
    code, lines = check(tools)
    assert code == 2
    assert lines[-1] == "  sudo apt install python3-venv"


def test_the_packages_are_those_of_the_systems_other_python(tools: Path, python: Path) -> None:
    with (python / "sitecustomize.py").open("a") as file:
        file.write("import sys\nsys.prefix, sys.executable = '/usr', '/usr/bin/python3.other'\n")
    (python / "ensurepip.py").write_text("raise ImportError\n")
    assert check(tools)[1][-1] == f"  sudo apt install python{VERSION}-venv"
    assert check(tools, "python3.99")[1][-1] == "  sudo apt install python3.99-dev python3.99-venv"


def test_an_old_python_is_no_matter_of_packages(tools: Path, python: Path) -> None:
    with (python / "sitecustomize.py").open("a") as file:
        file.write("import sys\nsys.version_info = (3, 9, 2)\n")
    code, lines = check(tools)
    assert code == 2
    assert lines == [
        "SoftCore's set-up needs what isn't here:",
        f"  Python 3.10 or later: {sys.executable} is 3.9; name a later one: make PYTHON=/path/to/python3",
    ]


def test_a_python_that_does_not_run_says_why(tools: Path) -> None:
    broken = tools / "python3"
    broken.write_text("#!/bin/sh\necho 'python3: version 3.13 is not installed' >&2\nexit 127\n")
    broken.chmod(0o755)
    code, lines = check(tools, "python3")
    assert code == 2
    assert lines[1:] == ["  a Python that runs; python3 says: python3: version 3.13 is not installed"]


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make here: apt install make")
def test_make_checks_before_anything_else(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "-C", ROOT, "setup", f"VENV={tmp_path}/v", "PYTHON=/nowhere/python3"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "SoftCore's set-up needs what isn't here:\n" in done.stderr
    assert "there is no /nowhere/python3\n" in done.stderr
    assert not (tmp_path / "v").exists()


@pytest.mark.skipif(
    not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="there are no headers of Python here: apt install python3-dev",
)
def test_this_machine_has_all_for_it_has_set_up() -> None:
    """The real PATH and the real Python: those that the tests run in were set up by it."""
    done = subprocess.run([SCRIPT, sys.executable], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
