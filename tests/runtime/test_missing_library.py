"""A library that can't be imported: what it lacks, and what to install, in one line."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from softcore_runtime.errors import BrokenLibraryError, MissingLibraryError
from softcore_runtime.missing_library import add_extra, explain_import, find_extra, is_of_library

ROOT = Path(__file__).parents[2]
PACKAGES = ("runtime", "export", "calibration", "edge_app")
LOADER = "cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("cv2", "libxcb.so.1", "OpenCV is installed, but lacks the shared library libxcb.so.1; run: apt"),
        ("cv2", "libGL.so.1", "lacks the shared library libGL.so.1; run: apt install libgl1"),
        ("cv2", "libgthread-2.0.so.0", "run: apt install libglib2.0-0"),
        ("hnswlib", "libgomp.so.1", "run: apt install libgomp1"),
        ("cv2", "libodd.so.3", "find its Debian package by: apt-file search libodd.so.3"),
        ("onnxruntime", "libcudnn.so.9", "it is a part of NVIDIA's CUDA; run: pip install --force-reinstall"),
    ],
)  # fmt: skip
def test_a_shared_library_is_named_with_its_package(name: str, file: str, said: str) -> None:
    explained = explain_import(ImportError(f"{file}: {LOADER}", name=name))
    assert isinstance(explained, BrokenLibraryError)
    assert said in str(explained)
    assert "not installed" not in str(explained)


def test_what_is_not_installed_is_named_with_its_extra() -> None:
    explained = explain_import(ModuleNotFoundError("No module named 'nosuch'", name="nosuch"), "edge")
    assert type(explained) is MissingLibraryError
    assert str(explained).startswith("nosuch is not installed")
    assert find_extra("paho") == "edge"
    assert find_extra("sklearn", preferred="calibrate") == "calibrate"
    assert find_extra("torch") == "export"


def test_both_extras_are_named_where_neither_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = MissingLibraryError("OpenCV", "cpu")
    assert add_extra(missing, "edge") is missing  # which is complete here
    assert add_extra(missing, "cpu") is missing
    fault = BrokenLibraryError("OpenCV is installed, but ...")
    known = metadata.distribution

    def find(name: str) -> metadata.Distribution:
        if name == "tenacity":
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "distribution", find)
    both = add_extra(missing, "edge")
    assert str(both) == "OpenCV is not installed; run: pip install 'softcore[cpu,edge]'"
    assert add_extra(missing, "export") is missing
    assert add_extra(fault, "edge") is fault
    everywhere = MissingLibraryError("NumPy", "")
    assert add_extra(everywhere, "edge") is everywhere
    assert str(everywhere) == "NumPy is not installed; run: pip install softcore"


@pytest.mark.parametrize(
    ("module", "extra", "requirement"),
    [("fastapi.nosuch", "edge", "fastapi<1,>=0.135"), ("fastapi.nosuch", "calibrate", "fastapi<1,>=0.115")],
)
def test_another_version_than_the_extra_wants_is_named_with_its_requirement(
    module: str, extra: str, requirement: str
) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(module)
    said = str(explain_import(caught.value, extra))
    assert said == (
        f"FastAPI {metadata.version('fastapi')} is installed, but can't be imported: "
        f"No module named 'fastapi.nosuch'; run: pip install --force-reinstall '{requirement}'"
    )


def test_a_page_of_words_is_cut_to_what_says_most() -> None:
    page = "\n\nIMPORTANT: PLEASE READ THIS\n\nOriginal error was: no symbol PyFoo\n"
    assert "can't be imported: no symbol PyFoo; run:" in str(explain_import(ImportError(page, name="numpy")))
    long = str(explain_import(ImportError("x" * 999, name="numpy")))
    assert "x" * 197 + "..." in long
    assert "x" * 198 not in long


def test_a_library_that_ctypes_did_not_find_is_that_of_who_asked(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import ctypes\nctypes.CDLL('libcublas.so.77')\n")
    code = (
        "from softcore_runtime.cli.command_line import start;"
        "raise SystemExit(start('softcore-export', 'torch'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert (
        "PyTorch is installed, but lacks the shared library libcublas.so.77; it is a part of" in ended.stderr
    )


def test_another_fault_of_a_library_keeps_its_words() -> None:
    fault = ImportError("numpy.core.multiarray failed to import", name="cv2")
    assert "is installed, but can't be imported: numpy.core.multiarray failed" in str(explain_import(fault))


def test_a_fault_of_ours_is_not_a_librarys() -> None:
    assert not is_of_library(ModuleNotFoundError("No module named 'softcore_x'", name="softcore_runtime.x"))
    assert not is_of_library(ValueError("no"))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_import_of_a_package_is_brought_by_an_installation_or_an_extra(package: str) -> None:
    found = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    others = {one for one in found - sys.stdlib_module_names if not one.startswith("softcore_")} - {"tomllib"}
    assert len(others) > 3
    assert {one for one in others if find_extra(one) is None} == set()


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler: apt install gcc")
@pytest.mark.parametrize("package", ["softcore_calibration", "softcore_edge_app", "softcore_export"])
def test_a_command_says_what_the_loader_did_not_find(package: str, tmp_path: Path) -> None:
    """An OpenCV as on a machine without its libraries: a real extension whose library has gone."""
    (tmp_path / "empty.c").write_text("int nothing;\n")
    library, module = tmp_path / "libinspection.so.7", tmp_path / "cv2.so"
    compiler = ["cc", "-shared", "-fPIC", "-Wl,--no-as-needed", str(tmp_path / "empty.c")]
    subprocess.run([*compiler, "-Wl,-soname,libinspection.so.7", "-o", library], check=True)
    subprocess.run([*compiler, str(library), "-o", module], check=True)
    library.unlink()
    ended = subprocess.run(
        [sys.executable, "-m", package, "--category", "x", "--data", tmp_path]
        if package == "softcore_export"
        else [sys.executable, "-m", package, tmp_path],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert ended.stderr.endswith(
        ": OpenCV is installed, but lacks the shared library libinspection.so.7; "
        "find its Debian package by: apt-file search libinspection.so.7\n"
    )
