from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from softcore_benchmarks.research.denoising_report import write_report
from softcore_benchmarks.research.screening import ATTEMPTS, DEFAULT, LOF, ORACLE, PATCHCORE

COLUMNS = ["data", "noise", "half", "seed", "row", "measure", "value"]
JUDGED = {
    "injected": 2.0,
    "flagged bad": 1.0,
    "good": 20.0,
    "flagged good": 3.0,
    "true share": 0.0909,
    "estimate": 0.05,
    "estimate low": 0.02,
    "estimate high": 0.2,
    "suspicion AUROC": 0.875,
}


@pytest.fixture
def found() -> pd.DataFrame:
    """Two data sets; every rule but PatchCore is .1 below the default, which reaches .9 / .8 at seed 0."""
    rows: list[tuple[str, float, str, int, str, str, float]] = []
    for data in ("tiles", "drawn_pill"):
        for noise, half, seed in (
            (0.0, "all", 0),
            (0.1, "tune", 0),
            (0.1, "confirm", 0),
            (0.1, "confirm", 1),
        ):
            for attempt in ATTEMPTS:
                if half == "confirm" and attempt.name not in (PATCHCORE, LOF, ORACLE, DEFAULT):
                    continue
                best = {"default": 0.9, "PatchCore": 0.95}.get(attempt.name, 0.8)
                rows.append((data, noise, half, seed, attempt.name, "overlap", best + 0.01 * seed))
                below = 0.1 if noise else 0
                rows.append((data, noise, half, seed, attempt.name, "no overlap", best - below + 0.01 * seed))
            judged = JUDGED if noise else {k: v for k, v in JUDGED.items() if k != "suspicion AUROC"}
            rows += [(data, noise, half, seed, "default", name, value) for name, value in judged.items()]
    rows.append(("tiles", 0.1, "tune", 0, "drawn anew", "overlap", 0.91))
    rows.append(("tiles", 0.1, "tune", 0, "drawn anew", "no overlap", 0.81))
    return pd.DataFrame(rows, columns=COLUMNS)


def read_tables(path: Path) -> list[pd.DataFrame]:
    tables: list[list[list[str]]] = [[]]
    for line in path.read_text().splitlines():
        if line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif tables[-1]:
            tables.append([])
    return [pd.DataFrame(lines[2:], columns=lines[0]) for lines in tables if lines]


def test_tables_are_means_over_the_draws(found: pd.DataFrame, tmp_path: Path) -> None:
    path = write_report(tmp_path, found, ["* tiles: some.", "* drawn_pill: some."])
    real, drawn, explained, chosen, confirmed, suspects, anew = read_tables(path)
    assert list(real.columns) == ["rule", "tiles 0", "tiles 0.1"]
    assert list(drawn.columns) == ["rule", "drawn_pill 0", "drawn_pill 0.1"]
    row = real.set_index("rule").loc
    assert list(row["default"]) == ["0.900", "0.900 / 0.800"]
    assert list(row["PatchCore"]) == ["0.950", "0.950 / 0.850"]
    assert list(row["by suspicion"]) == ["0.800", "0.800 / 0.700"]
    gaps = explained.set_index("rule")["mean"]
    assert gaps["default"] == "+0.000"
    assert gaps["PatchCore"] == "+0.050"
    assert set(gaps.drop(["default", "PatchCore"])) == {"-0.100"}
    assert explained.set_index("rule").loc["default", "worst"] == "same"
    verdicts = explained.set_index("rule")["verdict"]
    assert verdicts["by suspicion"] == "Loses more than it wins."
    assert verdicts["default"] == "Kept."
    assert list(chosen["without"]) == ["tiles", "drawn_pill", "none"]
    assert list(chosen["chosen"]) == ["default"] * 3
    assert list(confirmed["half"]) == ["-", "tune", "confirm"] * 2
    assert list(confirmed["draws"]) == ["1", "1", "2"] * 2
    assert list(confirmed["default"])[:3] == ["0.900", "0.900 / 0.800", "0.905 / 0.805"]
    late = "0.050 (overlap), 0.050 (no overlap), 0.050 (PatchCore, no overlap)"
    assert list(confirmed["behind"])[:3] == [late] * 3
    assert suspects.iloc[0]["AUROC"] == "-"
    second = suspects.iloc[1]
    assert second["AUROC"] == "0.875"
    assert (second["suspect, injected"], second["suspect, good"]) == ("1 of 2", "3 of 20")
    assert (second["estimate"], second["held"]) == ("0.050 (0.020 to 0.200)", "3 of 3")
    assert list(anew.iloc[0]) == ["tiles", "0.1", "0.900 / 0.800", "0.910 / 0.810"]


def test_each_data_set_confirms_what_the_others_chose(found: pd.DataFrame, tmp_path: Path) -> None:
    """On tiles "top 2 %" is best, on the drawn pill the worst; "factor 0.8" loses too much on clean tiles."""
    found.loc[found["row"] == ORACLE, "value"] = 0.95
    for data, rule, clean, noisy in (
        ("tiles", "top 2 %", 0.945, 0.92),
        ("drawn_pill", "top 2 %", 0.95, 0.5),
        ("tiles", "factor 0.8", 0.94, 0.94),
        ("tiles", "default", 0.95, 0.85),
        ("drawn_pill", "default", 0.95, 0.9),
    ):
        here = (
            (found["data"] == data)
            & (found["row"] == rule)
            & found["measure"].isin(["overlap", "no overlap"])
        )
        found.loc[here, "value"] = found.loc[here, "noise"].map({0.0: clean, 0.1: noisy})
    chosen = read_tables(write_report(tmp_path, found, []))[3].set_index("without")
    assert list(chosen.loc["drawn_pill"]) == ["top 2 %", "0.000", "0.450", "0.000", "0.050"]
    assert list(chosen.loc["tiles"]) == ["default", "0.000", "0.100", "0.000", "0.100"]
    assert list(chosen.loc["none"]) == ["default", "0.000", "0.075", "0.000", "0.075"]


def test_the_csv_holds_every_figure(found: pd.DataFrame, tmp_path: Path) -> None:
    write_report(tmp_path, found, [])
    again = pd.read_csv(tmp_path / "results/denoising.csv")
    pd.testing.assert_frame_equal(again, found, check_exact=False, rtol=1e-5)


def test_where_images_carry_no_estimate_it_is_none(found: pd.DataFrame, tmp_path: Path) -> None:
    some = found[~((found["measure"] == "estimate") & (found["noise"] == 0) & (found["data"] == "tiles"))]
    some = some[~((some["measure"] == "estimate") & (some["half"] == "tune"))]
    suspects = read_tables(write_report(tmp_path, some, []))[5]
    assert suspects.iloc[0]["estimate"] == "none (0.020 to 0.200)"
    assert suspects.iloc[1]["estimate"] == "0.050, in 2 of 3 (0.020 to 0.200)"
