from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.search.hnsw import HnswIndex

MUTATIONS = 600


def features(n: int, dim: int = 32, seed: int = 0) -> np.ndarray:
    """Like patch features: clusters of low intrinsic dimension, never negative."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, 6))
    latent = centres[rng.integers(40, size=n)] + 0.4 * rng.normal(size=(n, 6))
    spread = np.random.default_rng(98).normal(size=(6, dim))
    return np.maximum(latent @ spread + 0.05 * rng.normal(size=(n, dim)), 0).astype(np.float32)


@pytest.fixture(scope="module")
def bank() -> np.ndarray:
    return features(3000)


@pytest.fixture(scope="module")
def file(bank: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "index.hnsw"
    HnswIndex.build(bank, m=16, ef_construction=100, seed=0).save(path)
    return path


def test_recall_against_a_kd_tree(file: Path, bank: np.ndarray) -> None:
    queries = features(500, seed=1)
    true = cKDTree(bank).query(queries)[1]
    recall = {
        ef: (HnswIndex.load(file, *bank.shape, 16, ef_search=ef).nearest(queries) == true).mean()
        for ef in (1, 64)
    }
    assert recall[64] >= 0.99
    assert recall[1] <= recall[64]


def test_every_entry_finds_itself(file: Path, bank: np.ndarray) -> None:
    found = HnswIndex.load(file, *bank.shape, 16, ef_search=200).nearest(bank)
    assert found.dtype == np.int64
    assert (found == np.arange(len(bank))).mean() > 0.999


def test_two_builds_write_the_same_bytes(file: Path, bank: np.ndarray, tmp_path: Path) -> None:
    HnswIndex.build(bank, m=16, ef_construction=100, seed=0).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    HnswIndex.build(bank, m=16, ef_construction=100, seed=2).save(tmp_path / "otherwise")
    assert (tmp_path / "otherwise").read_bytes() != file.read_bytes()


def test_a_loaded_index_answers_like_the_built_one(file: Path, bank: np.ndarray) -> None:
    built = HnswIndex.build(bank, m=16, ef_construction=100, seed=0)
    built.ef_search = 20
    loaded = HnswIndex.load(file, *bank.shape, 16, ef_search=20)
    queries = features(200, seed=2)
    np.testing.assert_array_equal(loaded.nearest(queries), built.nearest(queries))
    assert loaded.ef_search == 20


@pytest.mark.parametrize("n", [2999, 3001, 1])
def test_another_number_of_entries_is_refused(file: Path, bank: np.ndarray, n: int) -> None:
    with pytest.raises(BundleCorruptError, match=f"holds 3000 entries, the bank {n}"):
        HnswIndex.load(file, n, bank.shape[1], 16, ef_search=10)


@pytest.mark.parametrize("dim", [1, 31, 33, 64])
def test_entries_of_another_size_are_refused(file: Path, bank: np.ndarray, dim: int) -> None:
    with pytest.raises(BundleCorruptError, match=f"hold 32 numbers, the bank's {dim}"):
        HnswIndex.load(file, len(bank), dim, 16, ef_search=10)


def test_what_is_no_index_is_refused(file: Path, bank: np.ndarray, tmp_path: Path) -> None:
    data = file.read_bytes()
    garbage = tmp_path / "garbage.hnsw"
    noise = np.random.default_rng(0).bytes
    for content in (
        b"",
        b"\0",
        noise(10),
        noise(5000),
        b"a text\n" * 100,
        data[:-1],
        data[:50],
        data + b"\0",
    ):
        garbage.write_bytes(content)
        with pytest.raises(BundleCorruptError) as caught:
            HnswIndex.load(garbage, *bank.shape, 16, ef_search=10)
        assert str(caught.value).startswith(f"{garbage}: ")
    with pytest.raises(BundleCorruptError, match="missing"):
        HnswIndex.load(tmp_path / "missing", *bank.shape, 16, ef_search=10)


def test_no_damage_ends_the_process(bank: np.ndarray, tmp_path: Path) -> None:
    """Each refused, or read and searched: in a process of its own, for hnswlib follows what a file says."""
    small = bank[:200]
    HnswIndex.build(small, m=4, ef_construction=20, seed=0).save(tmp_path / "sound")
    code = f"""
import sys
import numpy as np
from pathlib import Path
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.search.hnsw import HnswIndex

sound = np.frombuffer(Path(sys.argv[1]).read_bytes(), np.uint8)
bank = np.load(sys.argv[2])
rng, refused, read = np.random.default_rng(0), 0, 0
words = len(sound) // 4
entry = 4 * 9 + 4 * 32 + 8
for number in range({MUTATIONS}):
    data = sound.copy()
    kind = number % 5
    if kind == 0:  # of the header
        data[rng.integers(96)] ^= rng.integers(1, 256)
    elif kind == 1:  # any byte
        data[rng.integers(len(data))] = rng.integers(256)
    elif kind == 2:  # a link of an entry
        place = 96 + entry * rng.integers(200) + 4 * rng.integers(9)
        data[place : place + 4] = np.frombuffer(rng.bytes(4), np.uint8)
    elif kind == 3:  # what lies behind the entries
        data[rng.integers(96 + 200 * entry, len(data))] = rng.integers(256)
    else:
        data = data[: rng.integers(len(data))]
    Path(sys.argv[3]).write_bytes(data.tobytes())
    try:
        index = HnswIndex.load(Path(sys.argv[3]), 200, 32, 4, ef_search=20)
    except BundleCorruptError:
        refused += 1
    else:
        read += 1
        found = index.nearest(bank)
        assert found.min() >= 0 and found.max() < 200
print(refused, read)
"""
    np.save(tmp_path / "bank.npy", small)
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "sound", tmp_path / "bank.npy", tmp_path / "damaged"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, f"{ended.returncode} {ended.stderr}"
    refused, read = map(int, ended.stdout.split())
    assert refused + read == MUTATIONS
    assert refused > MUTATIONS / 2
    assert read > MUTATIONS / 20  # a number of a vector harms nobody but the search's speed


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (2, 199, "holds 199 entries, the bank 200"),
        (3, 8, "aren't laid out"),
        (8, 7, "header isn't that of M = 4"),
    ],
)
def test_each_field_of_the_header_is_looked_at(
    bank: np.ndarray, tmp_path: Path, place: int, value: int, fault: str
) -> None:
    file = tmp_path / "index.hnsw"
    HnswIndex.build(bank[:200], m=4, ef_construction=20, seed=0).save(file)
    data = bytearray(file.read_bytes())
    data[8 * place : 8 * place + 8] = value.to_bytes(8, "little")
    file.write_bytes(data)
    with pytest.raises(BundleCorruptError, match=fault):
        HnswIndex.load(file, 200, 32, 4, ef_search=20)


def test_a_bank_of_one_entry() -> None:
    index = HnswIndex.build(np.ones((1, 4), np.float32), m=4, ef_construction=10, seed=0)
    np.testing.assert_array_equal(index.nearest(np.zeros((3, 4), np.float32)), [0, 0, 0])
    index.set_floors(np.float32([7]))
    np.testing.assert_array_equal(index.nearest(np.zeros((3, 4), np.float32)), [0, 0, 0])


def test_of_a_few_near_entries_the_one_of_the_least_distance_or_floor() -> None:
    bank = np.arange(6, dtype=np.float32)[:, None]
    index = HnswIndex.build(bank, m=4, ef_construction=10, seed=0)
    queries = np.float32([[0.1], [5]])
    index.set_floors(np.float32([9, 2, 1, 3, 9, 9]))
    np.testing.assert_array_equal(index.nearest(queries), [2, 3])  # of 0 .. 3 and of 2 .. 5
    index.set_floors(np.float32([0.5, 0.2, 1, 3, 1.5, 9e30]))
    np.testing.assert_array_equal(index.nearest(queries), [0, 4])
    index.set_floors(np.zeros(6, np.float32))
    np.testing.assert_array_equal(index.nearest(queries), [0, 5])


def test_a_graph_from_which_few_entries_are_reached_answers_all_the_same(tmp_path: Path) -> None:
    """hnswlib refuses to answer where it finds fewer entries than it is asked for."""
    bank = np.arange(8, dtype=np.float32)[:, None]
    index = HnswIndex.build(bank, m=2, ef_construction=10, seed=0)
    index.save(tmp_path / "index")
    data = bytearray((tmp_path / "index").read_bytes())
    size = 4 * (2 * 2 + 1) + 4 + 8
    for entry in range(8):  # no entry has links on the lowest level
        data[96 + size * entry : 96 + size * entry + 4] = bytes(4)
    (tmp_path / "cut").write_bytes(data)
    cut = HnswIndex.load(tmp_path / "cut", 8, 1, 2, ef_search=10)
    cut.set_floors(np.ones(8, np.float32))
    assert 0 <= cut.nearest(bank[:1])[0] < 8
