from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from softcore_export import duration
from softcore_export.data.image_facts import SeenImage
from softcore_export.duration import Workload, announce_duration, estimate_seconds, measure_products
from softcore_export.export import PreparedExport
from softcore_runtime.cli.progress import track
from softcore_runtime.images.preprocessing import Preprocessing

Capture = pytest.CaptureFixture[str]
CPU = torch.device("cpu")
TILES = Workload(images=500, positions=784, dim=384, ratio=0.05, greedy=True)  # of benchmarks/EXPORT_TIME.md
PILLS = Workload(images=90, positions=784, dim=384, ratio=0.1, greedy=True)


@pytest.mark.parametrize(("work", "per_image", "measured"), [(TILES, 0.025, 82.0), (PILLS, 0.03, 11.5)])
def test_it_is_about_what_exports_took(work: Workload, per_image: float, measured: float) -> None:
    """At the multiplications that the machine of these measurements makes in a second."""
    assert measured * 0.6 < estimate_seconds(work, per_image, 8e10) < measured * 2.1


def test_what_is_compared_grows_with_the_square_of_the_images() -> None:
    one, ten = (Workload(n, 784, 384, 0.1, greedy=True).products for n in (2000, 20000))
    assert ten / one > 80
    assert Workload(2000, 784, 384, 0.1, greedy=False).products < one
    assert Workload(2000, 784, 1536, 0.1, greedy=True).products > 2 * one


def test_of_many_images_some_choose_the_factor_of_floors() -> None:
    """That takes as long as leave-one-out scores of 90 images more."""
    few, many = (Workload(n, 784, 384, 0.1, greedy=False, floors=True) for n in (90, 10**5))
    plain = [Workload(n, 784, 384, 0.1, greedy=False) for n in (90, 10**5)]
    assert few.products > 1.5 * plain[0].products
    scored = many.entries * 784 * (384 + 150)
    assert many.products == pytest.approx(plain[1].products + 10**5 * many.entries * 784 * 150 + 90 * scored)


def test_floors_take_longer() -> None:
    plain, floored = (Workload(500, 784, 384, 0.05, greedy=True, floors=floors) for floors in (False, True))
    assert plain.differences == 0
    assert floored.differences == 0.05 * 500 * 784 * 12 * 25 * 384
    seconds = [estimate_seconds(work, 0.025, 8e10) for work in (plain, floored)]
    assert 10 < seconds[1] - seconds[0] < 60


def test_products_are_measured() -> None:
    """Any machine lies between; a unit that is mistaken doesn't."""
    assert 1e7 < measure_products(64, CPU) < 1e16


def read_slowly(crops: np.ndarray, clock: SimpleNamespace, seconds: float) -> Iterator[SeenImage]:
    for crop in crops:
        clock.now += seconds
        yield SeenImage(Path("image.png"), "", Preprocessing(), crop)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, ["2,000 images: about 9 minutes on this machine"]), (0.02, [])],
)
def test_it_is_told_early_where_it_is_long(
    prepared: PreparedExport,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    seconds: float,
    said: list[str],
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(duration, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(duration, "measure_products", lambda _dim, _device: 1e13)
    crops = np.zeros((8, 64, 64, 3), np.uint8)
    told = announce_duration(
        read_slowly(crops, clock, seconds), 2000, prepared.network, prepared.settings, CPU
    )
    passed = [next(told) for _ in range(6)]
    assert capsys.readouterr().err.splitlines() == said
    passed += track(told, "features", total=2)
    assert len(passed) == 8
    assert "about" not in capsys.readouterr().err  # once is enough
