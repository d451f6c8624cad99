"""A line computer has no torch: what it imports is tried in a fresh interpreter where such libraries fail."""

from __future__ import annotations

import subprocess
import sys

import pytest

EXPORT_ONLY = ("torch", "torchvision", "onnx", "onnxscript", "matplotlib")

BLOCKER = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

def import_all(package):
    modules = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(modules.__path__, package + ".")]
    for name in names:
        if not name.endswith(".__main__"):
            importlib.import_module(name)
    return names

sys.meta_path.insert(0, Blocker())
"""


def run(blocked: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", f"BLOCKED = {blocked!r}\n{BLOCKER}\n{code}"],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("package", ["softcore_runtime", "softcore_edge_app", "softcore_calibration"])
def test_the_line_needs_no_library_of_the_export(package: str) -> None:
    ended = run(
        EXPORT_ONLY,
        f"print(*import_all({package!r}))\n"
        "assert not {name.partition('.')[0] for name in sys.modules} & set(BLOCKED)",
    )
    assert ended.returncode == 0, ended.stderr
    if package == "softcore_runtime":
        names = {f"softcore_runtime.{name}" for name in ("inspector", "openvino", "ort")}
        assert names <= set(ended.stdout.split())


@pytest.mark.parametrize("library", ["torch", "torchvision.models", "onnx", "onnxscript", "matplotlib"])
def test_the_blocker_blocks(library: str) -> None:
    ended = run(EXPORT_ONLY, f"import {library}")
    assert ended.returncode == 1
    assert "is blocked" in ended.stderr


def test_the_export_fails_where_the_line_does_not() -> None:
    """The proof that the test above would notice an import of torch inside a module."""
    ended = run(EXPORT_ONLY, "import_all('softcore_export')")
    assert ended.returncode == 1
    assert "is blocked" in ended.stderr


@pytest.mark.parametrize("module", ["softcore_runtime", "softcore_runtime.bundle", "softcore_runtime.errors"])
def test_a_missing_library_is_named_with_the_command_that_brings_it(module: str) -> None:
    ended = run(("cv2",), f"import {module}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "softcore_runtime.errors.MissingLibraryError: "
        "OpenCV is not installed; run: pip install 'softcore[cpu]'"
    )


@pytest.mark.parametrize("package", ["softcore_runtime", "softcore_edge_app", "softcore_calibration"])
def test_no_engine_is_needed_or_loaded_before_a_bundle_is(package: str) -> None:
    """Whoever has one needs no other, and those who only read a manifest need none."""
    engines = ("onnxruntime", "openvino")
    ended = run(
        engines,
        f"import importlib, pkgutil, {package} as package\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        "    if module.name not in ('ort', 'openvino', '__main__'):\n"
        "        importlib.import_module(f'{package.__name__}.{module.name}')\n"
        "        print(module.name)\n"
        "assert not {name.partition('.')[0] for name in sys.modules} & set(BLOCKED)",
    )
    assert ended.returncode == 0, ended.stderr
    assert {"inspector", "command"} & set(ended.stdout.split())


@pytest.mark.parametrize(
    ("module", "library", "said"),
    [
        ("ort", "onnxruntime", "ONNX Runtime is not installed; run: pip install 'softcore[cpu]'"),
        ("openvino", "openvino", "OpenVINO is not installed; run: pip install 'softcore[openvino]'"),
    ],
)
def test_a_missing_engine_is_named_with_the_command_that_brings_it(
    module: str, library: str, said: str
) -> None:
    ended = run((library,), f"import softcore_runtime.{module}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"softcore_runtime.errors.MissingLibraryError: {said}"
