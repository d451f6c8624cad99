from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from softcore_export.memory_bank.floors import Corroboration, FloorRule
from softcore_export.memory_bank.hints import MOST, learn_hints
from softcore_export.memory_bank.leave_one_out import NearestEntries, leave_one_out

CPU = torch.device("cpu")
COUNTS = (1, 2, 4, 8, 16, 32)


class Learned:
    """Patches that vary about a few modes at each position, a bank of some of them, and what is kept."""

    def __init__(self, seed: int, images: int, modes: int, spread: float = 0.05, positions: int = 9) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(positions, modes, 12))
        mode = rng.integers(modes, size=(images, positions))
        features = centres[np.arange(positions), mode] + spread * rng.normal(size=(images, positions, 12))
        self.features = features.astype(np.float32)
        entries = rng.permutation(images * positions)[: images * positions // 2]
        self.bank = self.features.reshape(-1, 12)[entries]
        self.owners = (entries // positions).astype(np.int32)
        self.weights = rng.uniform(0.9, 1.1, len(entries)).astype(np.float32)
        self.rule: FloorRule | None = None
        self.left_out = leave_one_out(self.features, self.bank, self.owners, CPU)
        self.kept = rng.random((images, positions)) < 0.9

    def hints(self, kept: np.ndarray | None = None) -> tuple[np.ndarray, int, float]:
        hints, record = learn_hints(
            self.features, self.bank, self.weights, self.owners, self.left_out,
            self.kept if kept is None else kept, self.rule,
        )  # fmt: skip
        return hints, record.count, record.left_open

    def take_floors(self, longest: float) -> None:
        """Give the entries three vouchers at random distances, in which pairs of images are near copies."""
        rng = np.random.default_rng(7)
        groups = (np.arange(len(self.features)) // 2 * 2).astype(np.int32)
        vouchers = np.stack([rng.permutation(np.unique(groups))[:3] for _ in self.bank])
        distances = np.sort(rng.uniform(0, longest, vouchers.shape), axis=1).astype(np.float32)
        self.weights = np.ones_like(self.weights)
        self.rule = FloorRule(Corroboration(distances, vouchers), groups, factor=1.0)
        self.left_out = leave_one_out(self.features, self.bank, self.owners, CPU, self.rule)


def most_frequent(left_out: NearestEntries, counted: np.ndarray, position: int, count: int) -> list[int]:
    """The entries that serve a position most often; of those that do so equally often the first."""
    served = Counter(
        int(entry) for entry, mine in zip(left_out.entries[:, position], counted[:, position], strict=True)
        if mine and entry >= 0
    )  # fmt: skip
    names = sorted(served, key=lambda entry: (-served[entry], entry))[:MOST]
    return [names[i % len(names)] for i in range(count)] if names else [0] * count


def left_open(learned: Learned, count: int, more: float = 0.0) -> float:
    """Brute force in float64: hints of one half of the images, tried on the first 24 of the other.

    A patch is open if it exceeds the score by `more` of it.
    """
    opened = []
    scores = learned.left_out.scores(learned.weights)
    for half in (0, 1):
        learning = np.arange(len(learned.features)) % 2 == half
        counted = learned.kept & learning[:, None]
        for i in np.flatnonzero(~learning)[:24]:
            patches = 0
            for position, patch in enumerate(learned.features[i].astype(float)):
                hints = np.array(most_frequent(learned.left_out, counted, position, count))
                if learned.rule:
                    groups = learned.rule.groups
                    hints = hints[groups[learned.owners[hints]] != groups[i]]
                    floors = learned.rule.compute(without=groups[i])[hints]
                else:
                    hints = hints[learned.owners[hints] != i]
                    floors = np.zeros(len(hints))
                apart = np.maximum(cdist([patch], learned.bank[hints].astype(float)), floors)
                patches += learned.weights.max() * apart.min(initial=np.inf) > (1 + more) * scores[i]
            opened.append(patches)
    return float(np.mean(opened))


@pytest.mark.parametrize("seed", range(4))
def test_hints_are_the_entries_that_serve_most_often(seed: int) -> None:
    learned = Learned(seed, images=20, modes=3)
    hints, count, _ = learned.hints()
    assert (hints.shape, hints.dtype) == ((9, count), np.int32)
    assert hints.flags.c_contiguous
    for position, found in enumerate(hints):
        assert found.tolist() == most_frequent(learned.left_out, learned.kept, position, count)


@pytest.mark.parametrize(
    ("images", "modes", "spread"), [(8, 1, 0.05), (20, 3, 0.3), (30, 8, 0.05), (60, 5, 1)]
)
def test_what_is_left_open_is_that_of_brute_force(images: int, modes: int, spread: float) -> None:
    learned = Learned(1, images, modes, spread)
    _, count, measured = learned.hints()
    by_count = {each: left_open(learned, each) for each in COUNTS}
    assert measured == pytest.approx(by_count[count], abs=6e-4)  # rounded to three places
    enough = [each for each in COUNTS if by_count[each] <= 2]
    assert count == (enough[0] if enough else 32)


@pytest.mark.parametrize("longest", [0.3, 1, 4])
def test_with_floors_hints_are_the_entries_that_give_the_least_score(longest: float) -> None:
    learned = Learned(2, images=20, modes=3, spread=0.3)
    plain = learned.left_out.entries
    learned.take_floors(longest)
    assert (learned.left_out.entries != plain).mean() > 0.05
    hints, count, measured = learned.hints()
    for position, found in enumerate(hints):
        assert found.tolist() == most_frequent(learned.left_out, learned.kept, position, count)
    # Without weights the highest patch is at the threshold itself, where rounding decides.
    least, most = left_open(learned, count, more=1e-6), left_open(learned, count, more=-1e-6)
    assert least - 6e-4 <= measured <= most + 6e-4
    assert most - least <= 1


def modal(modes: int) -> Learned:
    """Every patch is one of its position's modes, which both halves see; one image owns the bank."""
    learned = Learned(0, 48, 1, positions=16)
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(16, modes, 12)).astype(np.float32)
    mode = (np.arange(48)[:, None] // 2 + np.arange(16)) % modes
    learned.features = centres[np.arange(16), mode]
    learned.features[:, 0, 0] += np.linspace(1e-3, 2e-3, 48, dtype=np.float32)  # so that scores are above 0
    learned.bank = centres.reshape(-1, 12)
    learned.owners = np.zeros(16 * modes, np.int32)
    learned.weights = np.linspace(1, 1.01, 16 * modes, dtype=np.float32)
    learned.left_out = leave_one_out(learned.features, learned.bank, learned.owners, CPU)
    learned.kept = np.ones((48, 16), np.bool_)
    return learned


def test_a_position_that_varies_more_gets_more_hints() -> None:
    for modes, expected in ((1, 1), (2, 2), (5, 8), (12, 16), (24, 32)):
        learned = modal(modes)
        hints, count, measured = learned.hints()
        assert count == expected
        assert measured <= 2
        assert measured == pytest.approx(left_open(learned, count), abs=6e-4)
        for position, found in enumerate(hints):  # every mode has its entry
            assert set(found) == set(range(position * modes, (position + 1) * modes))


def test_no_number_of_hints_may_be_enough() -> None:
    """Patches that have nothing in common: it takes the most and says how many stay open."""
    learned = Learned(0, images=48, modes=48, spread=3, positions=30)
    learned.weights = np.ones_like(learned.weights)
    learned.weights[0] = 50  # W is of little use as a bound
    _, count, measured = learned.hints()
    assert count == MOST == 32
    assert 2 < measured <= 30
    assert measured == pytest.approx(left_open(learned, 32), abs=6e-4)


def test_where_there_are_fewer_names_they_are_repeated() -> None:
    learned = Learned(0, images=48, modes=48, spread=3, positions=30)
    learned.weights[0] = 50
    learned.left_out.entries[:, 7] = np.where(np.arange(48) % 3, 11, 5)  # two of three by entry 11
    learned.kept[:, 7] = True
    hints, count, _ = learned.hints()
    assert count == 32
    assert hints[7].tolist() == [11, 5] * 16


def test_a_position_of_which_nothing_is_kept_names_an_entry_all_the_same() -> None:
    learned = Learned(0, images=20, modes=3)
    kept = learned.kept.copy()
    kept[:, 4] = False
    hints, count, _ = learned.hints(kept)
    assert hints[4].tolist() == [0] * count
    for position in (3, 5):
        assert hints[position].tolist() == most_frequent(learned.left_out, kept, position, count)


def test_a_patch_that_was_excluded_has_no_say() -> None:
    learned = Learned(0, images=20, modes=1)
    learned.left_out.entries[:12, 2] = 7
    learned.left_out.entries[12:, 2] = 9
    learned.kept[:, 2] = True
    assert learned.hints()[0][2, 0] == 7
    learned.kept[:6, 2] = False
    assert learned.hints()[0][2, 0] == 9


def test_a_patch_that_nobody_served_has_no_say() -> None:
    """All of the bank comes from its own image: -1 is no entry."""
    learned = Learned(0, images=8, modes=1)
    learned.owners[:] = 3
    learned.left_out = leave_one_out(learned.features, learned.bank, learned.owners, CPU)
    assert (learned.left_out.entries[3] == -1).all()
    hints, count, _ = learned.hints(np.ones((8, 9), np.bool_))
    assert hints.min() >= 0
    for position, found in enumerate(hints):
        assert found.tolist() == most_frequent(learned.left_out, np.ones((8, 9), np.bool_), position, count)
