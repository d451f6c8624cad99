"""Measuring resolutions, with networks whose cost is known."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from softcore_export.resolution.measurement import Opened, measure_resolutions, time_subjects
from softcore_export.resolution.separation import Subject
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.images.preprocessing import Preprocessing

from .test_separation import write_images


class Slow:
    """A backbone that gives the mean colour of each of 4 x 4 cells, and takes a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        time.sleep(self.seconds)
        n, side = crops.shape[:2]
        cells = crops.reshape(n, 8, side // 8, 8, side // 8, 3).mean(axis=(2, 4))
        return np.ascontiguousarray(cells.reshape(n, 64, 3), np.float32)


class Networks:
    """Opens networks, and knows which were opened."""

    def __init__(self, seconds: dict[int, float], refused: tuple[int, ...] = ()) -> None:
        self.seconds, self.refused, self.opened = seconds, refused, list[int]()

    def __call__(self, side: int) -> Opened[int]:
        if side in self.refused:
            raise UsageError(f"no input of {side} pixels")
        self.opened.append(side)
        backbone = Slow(self.seconds.get(side, 0))
        return Opened(side, Subject(backbone, Preprocessing(resize=side, crop=side)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Images of 128 pixels, which all sizes enlarge."""
    return write_images(tmp_path_factory.mktemp("resolution"), 8)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing count as enlarged."""
    monkeypatch.setattr("softcore_export.resolution.measurement._ENLARGED", math.inf)


def test_sizes_that_enlarge_the_images_are_not_measured(paths: list[Path]) -> None:
    chosen, choice = measure_resolutions(Networks({}), paths, (), 1000, 0)
    assert chosen == choice.side == 224
    notes = {trial.side: trial.note for trial in choice.trials}
    assert notes == {
        224: "",
        320: "would enlarge the images 2.5 times",
        448: "would enlarge the images 3.5 times",
    }
    assert [trial.separation is None for trial in choice.trials] == [False, True, True]
    assert (choice.images, choice.defects, choice.labelled) == (4, 12, False)


@pytest.mark.usefixtures("large")
def test_all_sizes_are_measured(paths: list[Path]) -> None:
    networks = Networks({})
    chosen, choice = measure_resolutions(networks, paths, (), 1000, 0)
    assert networks.opened == [224, 320, 448]
    assert chosen == choice.side
    assert all(trial.separation is not None and trial.milliseconds is not None for trial in choice.trials)


@pytest.mark.usefixtures("large")
def test_what_exceeds_the_budget_is_measured_and_not_chosen(paths: list[Path]) -> None:
    networks = Networks({320: 0.3, 448: 0.3})
    chosen, choice = measure_resolutions(networks, paths[:4], (), 250, 0)
    assert chosen == 224
    assert {trial.side for trial in choice.trials if (trial.milliseconds or 0) > 250} == {320, 448}
    assert all(trial.separation is not None for trial in choice.trials)


def test_a_smaller_size_is_taken_only_where_the_usual_one_is_too_slow(paths: list[Path]) -> None:
    networks = Networks({224: 0.3})
    chosen, choice = measure_resolutions(networks, paths[:4], (), 250, 0)
    assert chosen == 160
    assert 160 in networks.opened
    assert choice.trials[0].side == 160


def test_a_size_that_the_network_refuses_is_noted(paths: list[Path]) -> None:
    _, choice = measure_resolutions(Networks({}, refused=(320, 448)), paths, (), 1000, 0)
    assert [trial.note for trial in choice.trials] == ["", *["the network takes no such input"] * 2]
    with pytest.raises(UsageError, match="224 pixels"):
        measure_resolutions(Networks({}, refused=(224,)), paths, (), 1000, 0)


def test_labelled_images_are_taken_where_there_are_some(paths: list[Path]) -> None:
    labelled = [*((path, False) for path in paths[:3]), *((path, True) for path in paths[3:5])]
    _, choice = measure_resolutions(Networks({}), paths, labelled, 1000, 0)
    assert (choice.labelled, choice.images, choice.defects) == (True, 3, 2)


@pytest.mark.usefixtures("large")
def test_confirmed_defects_are_scored_beside_synthetic_ones(paths: list[Path], tmp_path: Path) -> None:
    bad = write_images(tmp_path, 3, first=100)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    _, choice = measure_resolutions(Networks({}), paths, (), 1000, 0, [*bad, broken])
    assert (choice.labelled, choice.confirmed) == (False, 3)
    gains = {trial.side: trial.gain for trial in choice.trials}
    assert gains[224] == (0, 0)
    assert all(gain is not None and -1 <= gain[0] <= gain[1] <= 1 for gain in gains.values())
    _, choice = measure_resolutions(Networks({}), paths, (), 1000, 0, [broken])
    assert (choice.confirmed, choice.trials[-1].gain) == (0, None)


def test_no_readable_image(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match="no training image"):
        measure_resolutions(Networks({}), [path], (), 1000, 0)


def test_times_are_of_the_network_in_turn() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    subjects = {side: Networks({side: side / 8000})(side).subject for side in (64, 128)}
    costs = time_subjects(subjects, frame)
    assert costs[64] >= 8
    assert costs[128] >= 16


@pytest.mark.parametrize(("load", "said"), [(0.5, False), (64.0, True)])
def test_other_work_on_the_machine_is_said(
    load: float, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    time_subjects({64: Networks({})(64).subject}, np.zeros((64, 64, 3), np.uint8))
    assert ("other work runs on this machine (load 64.0, 2 cores)" in capsys.readouterr().err) == said
