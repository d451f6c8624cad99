from __future__ import annotations

import json
from pathlib import Path

from softcore_benchmarks.line.find import main
from softcore_edge_app.ledger.ledger import verify_ledger


def test_a_ledger_is_made_and_asked(tmp_path: Path) -> None:
    main(["--rows", "17000", "--repeats", "1", "--folder", str(tmp_path), "--out", str(tmp_path)])
    told = json.loads((tmp_path / "results/line_find.json").read_text())
    assert told["rows"] == 17000
    assert all(0 < spent["median"] <= spent["largest"] for spent in told["milliseconds"].values())
    found = verify_ledger(tmp_path / "line-17000.ledger")
    assert (found.fault, found.rows, found.notes) == (None, 17000, 2000)
