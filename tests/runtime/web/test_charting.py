from __future__ import annotations

import hashlib
import re
from pathlib import Path

from softcore_runtime.web.charting import UPLOT

ROOT = Path(__file__).parents[3]


def test_the_charting_library_is_the_one_that_its_readme_names() -> None:
    readme = (UPLOT / "README.md").read_text("utf-8")
    checksums = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))
    files = {path.name: path for path in UPLOT.iterdir() if path.name != "README.md"}
    assert checksums == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    version = re.search(r"^Version: (\S+)$", readme, re.MULTILINE)
    assert version
    assert f"(v{version[1]})" in files["uPlot.iife.min.js"].read_text("utf-8")[:100]
    assert f"uplot-{version[1]}.tgz" in readme


def test_its_licence_is_among_those_of_the_wheel() -> None:
    assert "MIT License" in (UPLOT / "LICENSE").read_text("utf-8")
    licence = (UPLOT / "LICENSE").relative_to(ROOT / "runtime")
    assert f'"runtime/{licence}"' in (ROOT / "pyproject.toml").read_text("utf-8")
