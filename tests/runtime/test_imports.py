"""A line computer has no torch: what it imports is tried in a fresh interpreter where such libraries fail."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import softcore_runtime

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
        rooms = ("inspection.inspector", "backends.openvino", "backends.ort")
        names = {f"softcore_runtime.{name}" for name in rooms}
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


@pytest.mark.parametrize("name", ["Inspector", "overlay", "read_image"])
def test_a_missing_library_is_named_with_the_command_that_brings_it(name: str) -> None:
    ended = run(("cv2",), f"from softcore_runtime import {name}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "softcore_runtime.errors.MissingLibraryError: "
        "OpenCV is not installed; run: pip install 'softcore[cpu]'"
    )


@pytest.mark.parametrize("module", ["cli.command_line", "errors", "missing_library"])
def test_what_says_so_needs_no_library_at_all(module: str) -> None:
    ended = run(
        ("cv2", "numpy", "pydantic", "hnswlib", "threadpoolctl"),
        "before = set(sys.modules)\n"  # with what a system's own start brings
        f"import softcore_runtime.{module}\n"
        "from softcore_runtime import SoftCoreError\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)",
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["softcore_runtime"]


def test_the_package_offers_what_it_says_and_imports_it_when_asked() -> None:
    ended = run(
        (),
        "import softcore_runtime\n"
        "assert 'softcore_runtime.inspection.inspector' not in sys.modules\n"
        "import softcore_runtime.inspection.overlays\n"
        "assert set(softcore_runtime.__all__) <= set(dir(softcore_runtime))\n"
        "for name in softcore_runtime.__all__:\n"
        "    found = getattr(softcore_runtime, name)\n"
        "    assert found.__name__ == name and found is vars(softcore_runtime)[name], name\n"
        "    assert found.__module__.startswith('softcore_runtime.'), name\n"
        "from softcore_runtime import *\n"
        "print(Inspector.__name__)\n"
        "try: softcore_runtime.Inspecter\n"
        "except AttributeError as error: print(error)\n",
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "Inspector",
        "module 'softcore_runtime' has no attribute 'Inspecter'",
    ]


def test_no_module_bears_a_name_that_the_package_offers() -> None:
    """Its import would put it in the place of what is offered, which is there only when asked for."""
    modules = {module.name for module in pkgutil.iter_modules(softcore_runtime.__path__)}
    assert "images" in modules
    assert not modules & set(softcore_runtime.__all__)


def test_what_is_offered_lazily_is_what_type_checkers_see() -> None:
    tree = ast.parse(Path(softcore_runtime.__file__).read_text())
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "softcore_runtime.missing_library"
        for alias in node.names
        if (node.module or "").startswith("softcore_runtime.")
    }
    homes = {name: f"softcore_runtime.{home}" for name, home in softcore_runtime._HOMES.items()}
    assert seen == homes
    assert sorted(homes) == softcore_runtime.__all__


@pytest.mark.parametrize("package", ["softcore_runtime", "softcore_edge_app", "softcore_calibration"])
def test_no_engine_is_needed_or_loaded_before_a_bundle_is(package: str) -> None:
    """Whoever has one needs no other, and those who only read a manifest need none."""
    engines = ("onnxruntime", "openvino")
    ended = run(
        engines,
        f"import importlib, pkgutil, {package} as package\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    name = module.name.rpartition('.')[2]\n"
        "    if name not in ('ort', 'openvino', '__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "        print(name)\n"
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
    ended = run((library,), f"import softcore_runtime.backends.{module}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"softcore_runtime.errors.MissingLibraryError: {said}"


def test_only_who_signs_or_trusts_needs_the_library_of_signatures() -> None:
    ended = run(
        ("cryptography",),
        "import_all('softcore_edge_app')\n"
        "from pathlib import Path\n"
        "from softcore_runtime.signing import signatures, trust\n"
        "signatures.read_signatures = trust.read_signatures = lambda path: ("
        "signatures.Signature(role='export', key='0' * 16, seal='0' * 64, signature='0' * 128),)\n"
        "key = 'ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\n"
        "trust.Trust((key,)).check(Path(), {'export': '0' * 64})",
    )
    said = ended.stderr.splitlines()[-1]
    assert said.startswith(
        "softcore_runtime.errors.MissingLibraryError: cryptography is not installed; run: pip"
    )
