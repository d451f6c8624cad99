from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from softcore_benchmarks import export_time
from softcore_benchmarks.export_time import Parting, compare, follow, project
from softcore_export.memory_bank.coreset import draw_coreset, spread
from softcore_runtime.cli.progress import hide_bars


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 30, 150)).astype(np.float32)


def choose(features: np.ndarray, size: int) -> tuple[torch.Tensor, np.ndarray]:
    x, first = project(features, seed=3)
    return x, spread(x, size, first)


def test_what_is_compared_is_what_an_export_draws(features: np.ndarray) -> None:
    every = np.ones(features.shape[:2], np.bool_)
    drawn = draw_coreset(features, every, 50, 3, torch.device("cpu"))
    np.testing.assert_array_equal(choose(features, 50)[1], drawn)


@pytest.mark.parametrize("steps", [range(98), [0, 1, 2, 40, 97], [97]])
def test_the_plain_loop_is_greedy_k_centre(features: np.ndarray, steps: list[int]) -> None:
    """By scipy, whether all steps are taken or some."""
    x, chosen = choose(features, 99)
    apart = cdist(x, x[chosen])
    taken = list(follow(x, chosen, steps))
    assert [step.number for step in taken] == list(steps)
    assert [step.farthest for step in taken] == [apart[:, : n + 1].min(axis=1).argmax() for n in steps]
    assert all(step.seconds > 0 and step.ahead == 0 for step in taken)


def test_another_choice_is_found_and_how_far_it_is_off(features: np.ndarray) -> None:
    x, chosen = choose(features, 60)
    other = int(np.setdiff1d(np.arange(len(x)), chosen)[0])
    farthest, chosen[30] = chosen[30], other
    step = list(follow(x, chosen, range(59)))[29]
    nearest = cdist(x, x[chosen[:30]], "sqeuclidean").min(axis=1)
    assert step.farthest == farthest == nearest.argmax()
    off = (nearest[farthest] - nearest[other]) * 2**24 / float(x[farthest].square().sum())
    assert step.ahead == pytest.approx(off, rel=1e-3)
    assert step.ahead > 1e4


def test_a_long_loop_is_sampled(features: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_SHORT": 100, "_FIRST": 20, "_SPREAD": 11}.items():
        monkeypatch.setattr(export_time, name, value)
    with hide_bars():
        short, long, whole = (
            compare(features, *how) for how in ((1 / 6, 0, False), (1 / 2, 0, False), (1 / 2, 0, True))
        )
    assert [(found.entries, found.steps, found.first_steps) for found in (short, long, whole)] == [
        (100, 99, 99),
        (300, 20 + 10, 20),
        (300, 299, 299),
    ]
    assert short.partings == long.partings == whole.partings == ()
    assert min(long.seconds, long.plain_seconds, whole.plain_seconds, whole.taken_seconds) > 0


def test_one_command_writes_table_image_and_numbers(
    root: Path,
    resnet18: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "data/stripes/train/good"
    place.mkdir(parents=True)
    for path in sorted((root / "stripes/train/good").iterdir())[:9]:
        shutil.copyfile(path, place / path.name)
    monkeypatch.setattr(export_time, "_ROWS", (("stripes", 0.02),))
    arguments = ["--data", tmp_path / "data", "--weights", resnet18, "--out", tmp_path / "out"]
    assert export_time.main([str(word) for word in arguments]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out/EXPORT_TIME.md")

    told = json.loads((tmp_path / "out/results/export_time.json").read_text())["stripes, ratio 0.02"]
    assert told["images"] == 9
    assert {"features", "memory bank", "index", "threshold", "report"} <= set(told["export"])
    assert told["coreset"]["entries"] == round(0.02 * 9 * 784)
    assert (tmp_path / "out/results/export_time.png").read_bytes()[:4] == b"\x89PNG"
    page = (tmp_path / "out/EXPORT_TIME.md").read_text()
    for words in ("| memory bank", "| whole", "times faster", "140 of 140", "taken whole"):
        assert words in page
    assert str(tmp_path) not in page

    assert export_time.main([*map(str, arguments[:3]), "nowhere.pth"]) == 2


def test_partings_are_told() -> None:
    found = export_time.Compared(9, 5, 1.0, 8.0, 4, 4, 8.0, (Parting(2, 0.75), Parting(3, 4.5)))
    page = "\n".join(
        export_time._describe(
            {"pill, ratio 0.1": export_time.Measured(1, 2, "network", {"index": 1.0}, found)}
        )
    )
    assert "2 of 4" in page
    assert "another entry, first in place 2, its squared distance is larger by at most 4.5 of" in page
