from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from softcore_benchmarks import paper
from softcore_benchmarks.protocol import cells
from softcore_benchmarks.protocol.experiments import Experiment
from softcore_runtime.cli.command_line import INTERRUPTED

METHODS = ["patchcore", "padim-star-denoised-padim", "softcore-lof", "lof-k-3", "lof-tau-0.3"]


@pytest.fixture
def command(root: Path, resnet18: Path, work: Path, tmp_path: Path) -> list[str]:
    arguments = {
        "--data": root,
        "--out": tmp_path / "out",
        "--work": work,
        "--backbone": "resnet18",
        "--weights": resnet18,
        "--resize": 72,
        "--crop": 64,
        "--anomalib-python": tmp_path / "nothing",
    }
    words = [str(word) for pair in arguments.items() for word in pair]
    return [*words, "--coreset-ratio", "0.2", "--coreset-ratio", "waves=0.1", "--max-images", "stripes=12"]


def test_one_command_makes_tables_and_figures(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--noise", "0", "0.1", "0.5", "--methods", *METHODS, "cflow"]
    assert paper.main([*command, *more]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "out" / "RESULTS.md")
    assert "waves: not enough defects for noise 0.5" in err
    assert "stripes: not enough defects" not in err  # 6 of 12 are just enough
    assert "CFLOW" in err
    assert re.search(r"^cells +28 in ", err, re.MULTILINE)

    kept = cells.read_cells(tmp_path / "out" / "results")
    # Sweeps at the tables' noise alone: stripes 3 + 5 + 3 cells, waves 3 + 5.
    assert len(kept) == 19
    assert {cell.trained_on - cell.defects for cell in kept if cell.category == "stripes"} == {12}
    assert {cell.settings["coreset ratio"] for cell in kept if cell.category == "waves"} == {"0.1"}
    text = (tmp_path / "out" / "RESULTS.md").read_text()
    for words in (
        *(f"## Table {number}" for number in range(1, 9)),
        *(f"## Figure {number}" for number in range(3, 8)),
        "not run here",
    ):
        assert words in text
    folder = tmp_path / "out" / "results"
    for name in ("3", "4", "5-stripes", "6", "7"):
        assert (folder / f"figure-{name}.png").stat().st_size > 5000
    table = pd.read_csv(folder / "table-1-overlap.csv").set_index("method")
    expected = next(c for c in kept if (c.category, c.noise, c.method) == ("waves", 0.1, "patchcore"))
    assert table.loc["PatchCore", "waves"] == pytest.approx(
        expected.figures["PatchCore"]["overlap"].image_auroc, rel=1e-5
    )


def test_interrupted_it_goes_on_where_it_was(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, computed = cells.compute_cell, []

    def compute(experiment: Experiment, noise: float, method: str) -> cells.Cell:
        if len(computed) == 2:
            raise KeyboardInterrupt
        computed.append((experiment.category.name, noise, method))
        return real(experiment, noise, method)

    more = ["--noise", "0", "0.1", "--methods", "patchcore", "padim", "--categories", "waves"]
    monkeypatch.setattr(cells, "compute_cell", compute)
    assert paper.main([*command, *more]) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    finished = cells.read_cells(tmp_path / "out" / "results")
    assert len(finished) == 2

    monkeypatch.setattr(cells, "compute_cell", real)
    assert paper.main([*command, *more]) == 0
    every = cells.read_cells(tmp_path / "out" / "results")
    assert every[:2] == finished
    assert [(cell.noise, cell.method) for cell in every] == [
        (noise, method) for noise in (0.0, 0.1) for method in ("patchcore", "padim")
    ]

    monkeypatch.setattr(cells, "compute_cell", None)  # the report alone computes nothing
    (tmp_path / "out" / "RESULTS.md").unlink()
    assert paper.main([*command, *more, "--report-only"]) == 0
    assert (tmp_path / "out" / "RESULTS.md").is_file()
    assert paper.main([*command, *more, "--tau", "0.3"]) == 2
    assert "computed with tau 0.15, now it is 0.3" in capsys.readouterr().err


def test_parts_are_merged(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out" / "results"
    part = ["--noise", "0", "--methods", "patchcore", "padim", "--categories"]
    assert paper.main([*command, *part, "waves"]) == 0
    assert paper.main([*command, *part, "stripes"]) == 0
    first = cells.read_cells(folder)
    table = pd.read_csv(folder / "table-1-clean.csv").set_index("method")
    assert list(table.columns) == ["waves", "stripes", "average"]
    assert table.loc["PatchCore"].notna().all()
    assert (folder / "table-classes-stripes-clean.csv").is_file()

    # One cell again, with another seed: nothing else changes.
    more = ["--noise", "0", "--methods", "padim", "--categories", "waves"]
    assert paper.main([*command, *more, "--redo"]) == 0
    again = cells.read_cells(folder)
    assert [cell.key for cell in again] == [cell.key for cell in first]
    changed = [old.key for old, new in zip(first, again, strict=True) if old != new]
    assert changed == [("waves", 0.0, "padim", 0)]
    assert len((folder / cells.FILE).read_text().splitlines()) == 4

    assert paper.main([*command, *more, "--seeds", "0", "1"]) == 0
    table = pd.read_csv(folder / "table-1-clean.csv").set_index("method")
    assert list(table.columns[table.notna().any()]) == ["waves", "average"]
    assert "means of seeds 0, 1" in (tmp_path / "out" / "RESULTS.md").read_text()
    assert paper.main([*command, *more, "--report-only", "--seeds", "2"]) == 2
    assert "no finished cell of seed 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--categories", "pill"], "no such category; there are: stripes, waves"),
        (["--coreset-ratio", "pill=0.1"], "no category pill; there are: stripes, waves"),
        (["--coreset-ratio", "waves=none"], "'none' is not a number above 0"),
        (["--max-images", "-3"], "'-3' is not a number above 0"),
        (["--methods", "patchcore2"], "invalid choice: 'patchcore2'"),
        (["--weights", "/none.pth"], "/none.pth"),
        (["--noise", "1.5"], "--noise 1.5"),
        (["--seeds", "-1"], "--seeds -1: 0 or more is needed"),
        (["--report-only"], "no finished cell of seed 0"),
    ],
)
def test_wrong_input_is_one_line(
    more: list[str], words: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = paper.main([*command, *more])
    except SystemExit as left:
        code = int(left.code or 0)
    err = capsys.readouterr().err.strip()
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
