from __future__ import annotations

from pathlib import Path

import pandas as pd
from softcore_benchmarks.protocol.report import write_report
from softcore_benchmarks.protocol.tables import Table


def test_a_report_is_markdown_csv_and_images(tmp_path: Path) -> None:
    image = tmp_path / "results" / "figure-3.png"
    frame = pd.DataFrame(
        {
            "method": ["PatchCore", "CFLOW"],
            "pill": [0.98351, None],
            "gap to clean": [-0.0164, None],
            "inference, ms an image": [123.456, None],
            "overlap, paper": [0.71, None],
        }
    )
    table = Table("1-overlap", "Image AUROC", frame)
    path = write_report(tmp_path, ["# Results", "Words."], frame, [table], [("Figure 3: AUROC", image)])
    text = path.read_text()
    assert text.startswith("# Results\n\nWords.\n\n## Table 1: Image AUROC\n")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert cells[2] == ["PatchCore", "0.984", "-0.016", "123", "0.710"]
    assert cells[3] == ["CFLOW", "not run here", "not run here", "not run here", "-"]
    assert "![Figure 3: AUROC](results/figure-3.png)" in text
    again = pd.read_csv(tmp_path / "results" / "table-1-overlap.csv")
    assert again["pill"][0] == 0.98351
    assert pd.isna(again["pill"][1])
    assert (tmp_path / "results" / "figures.csv").is_file()
