"""A library that can't be imported: what it lacks, and what to install, in one line."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from softcore_runtime.errors import BrokenLibraryError, MissingLibraryError
from softcore_runtime.missing_library import explain_import, find_extra, is_of_library

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
