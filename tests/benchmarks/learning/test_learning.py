"""The learning benchmark, on features that were drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.learning import teaching
from softcore_benchmarks.learning.bench import Bench
from softcore_benchmarks.learning.looks import LOOKS, measure_looks
from softcore_benchmarks.learning.report import write_report
from softcore_benchmarks.learning.teaching import choose_lessons, measure_teaching

GRID, D = 6, 5


@pytest.fixture
def bench() -> Bench:
    """A category of 50 good training images; of 80 test images 60 are defective, of 3 classes."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(1, GRID * GRID, D)) * 3

    def draw(n: int) -> NDArray[np.float32]:
        return np.asarray(means + rng.normal(size=(n, GRID * GRID, D)), np.float32)

    folder = Path("drawn")
    train = tuple(folder / "train" / "good" / f"{i:03}.png" for i in range(50))
    kinds = [("chip", 20), ("crack", 20), ("good", 20), ("spot", 20)]
    test = tuple(folder / "test" / kind / f"{i:03}.png" for kind, n in kinds for i in range(n))
    tested = draw(80)
    for start, place in ((0, 7), (20, 14), (60, 21)):
        tested[start : start + 20, place : place + 2] += rng.normal(size=(1, 2, D)) * 3
    return Bench(Category("drawn", folder, train, test), 224, draw(50), tested)


def test_looks_find_the_defects_and_end_at_the_oracle(bench: Bench, tmp_path: Path) -> None:
    draw = bench.draw(0)
    assert int(draw.dirty.sum()) == 5
    rows = list(measure_looks(bench, draw))
    assert [(row["order"], row["looks"]) for row in rows] == [
        ("none", 0),
        *(("suspicion", looks) for looks in LOOKS),
        *(("worth", looks) for looks in LOOKS),
        ("oracle", 55),
    ]
    table = pd.DataFrame(rows)
    assert (table["defective"] == 5).all()
    assert table[table["order"] == "none"]["found"].item() == 0
    assert table[table["looks"] >= 55]["found"].eq(5).all()  # who looked at all has found all
    for _, some in table.groupby("order"):
        assert some["found"].is_monotonic_increasing
    last = table[table["looks"] == 80].set_index("order")["overlap"]
    assert last["worth"] == last["suspicion"] == table[table["order"] == "oracle"]["overlap"].item()
    page = write_report(table, pd.DataFrame(), 50, tmp_path).read_text()
    assert "| drawn 224 |       1 | worth" in page
    assert (tmp_path / "results" / "learning.png").stat().st_size > 1000


def test_lessons_are_half_of_the_classes_and_of_no_training_image(bench: Bench) -> None:
    draw = bench.draw(1)
    taught, rows = choose_lessons(bench, draw, 1)
    assert len(taught) == 2
    assert set(bench.category.kinds[rows]) <= set(taught)
    assert not set(rows) & set(draw.rows)
    assert 8 <= len(rows) <= 16


def test_taught_defects_are_measured_on_others(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "_choose_side", lambda *_: 224)
    rows = list(measure_teaching({224: bench}, 0, tmp_path, tmp_path))
    assert [row["taught"] for row in rows] == [0, 4, 8, 16]
    assert rows[0]["dropped"] == 0
    assert all(row["chosen"] and 0 <= row["escape_taught"] <= 1 for row in rows)  # type: ignore[operator]
    page = write_report(pd.DataFrame(), pd.DataFrame(rows), 50, tmp_path).read_text()
    assert "chosen (224)" in page
