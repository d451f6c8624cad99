from __future__ import annotations

import json
from pathlib import Path

from softcore_benchmarks.line.crowd import main


def test_health_is_asked_of_beside_each_kind_of_crowd(tmp_path: Path) -> None:
    assert main(["--clients", "120", "--requests", "5", "--out", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "results/line_crowd.json").read_text())
    for kind in ("nobody", "silent", "half a request", "followers of events"):
        assert 0 < told[kind]["median"] <= told[kind]["p99"] <= told[kind]["largest"]
