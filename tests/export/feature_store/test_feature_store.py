from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_export.feature_store import feature_store
from softcore_export.feature_store.feature_store import FeatureStore, StoreSection, find_store, open_store
from softcore_runtime import UsageError

GB = 10**9
ARRAYS = {"features": np.arange(12, dtype=np.float32).reshape(4, 3), "grain": np.array([[-3]], np.int8)}
Capsys = pytest.CaptureFixture[str]


def name(number: int) -> str:
    return f"{number:064x}"


def list_files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def age(store: FeatureStore, key: str, seconds: float) -> None:
    """Let an entry have been used so long ago."""
    then = time.time() - seconds
    os.utime(store.place / key[:2] / key, (then, then))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features", GB)


def test_what_is_stored_comes_back_to_the_bit(store: FeatureStore) -> None:
    strange = {**ARRAYS, "odd": np.array([np.nan, -0.0, np.inf]), "none": np.empty(0)}
    store.put(name(1), strange)
    found = FeatureStore(store.place, GB).get(name(1))
    assert found is not None
    assert {key: (a.dtype, a.shape, a.tobytes()) for key, a in found.items()} == {
        key: (a.dtype, a.shape, a.tobytes()) for key, a in strange.items()
    }


def test_an_empty_store_holds_nothing_and_makes_nothing(store: FeatureStore) -> None:
    assert store.get(name(1)) is None
    assert (store.measure().entries, store.clean().entries) == (0, 0)
    assert not store.place.exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_entry_is_never_believed(store: FeatureStore, place: float, bit: int, cut: bool) -> None:
    store.put(name(1), ARRAYS)
    (file,) = list_files(store.place)
    data = bytearray(file.read_bytes())
    where = int(place * len(data))
    if cut:
        del data[where:]
    else:
        data[where] ^= 1 << bit
    file.write_bytes(data)
    assert store.get(name(1)) is None
    assert list_files(store.place) == []  # so that it is stored again


def test_the_least_recently_used_give_way(tmp_path: Path) -> None:
    before = FeatureStore(tmp_path / "features", GB)
    for number in range(10):
        before.put(name(number), ARRAYS)
        age(before, name(number), 1000 - number)
    size = before.measure().bytes
    store = FeatureStore(before.place, size)
    assert store.get(name(0)) is not None  # now the most recently used
    store.put(name(10), ARRAYS)
    left = {path.name for path in list_files(store.place)}
    assert {name(0), name(10), name(9)} <= left
    assert name(1) not in left
    assert store.measure().bytes <= size


def test_what_this_process_used_stays_and_then_nothing_more_is_stored(tmp_path: Path) -> None:
    probe = FeatureStore(tmp_path / "probe", GB)
    probe.put(name(0), ARRAYS)
    store = FeatureStore(tmp_path / "features", 3 * probe.measure().bytes)
    for number in range(10):
        store.put(name(number), ARRAYS)
    assert {path.name for path in list_files(store.place)} == {name(0), name(1), name(2)}


def test_cleaning_keeps_what_was_used_last(store: FeatureStore) -> None:
    for number in range(4):
        store.put(name(number), ARRAYS)
        age(store, name(number), 100 - number)
    each = store.measure().bytes // 4
    assert store.clean(keep=2 * each).entries == 2
    assert {path.name for path in list_files(store.place)} == {name(2), name(3)}
    assert store.clean().bytes == 2 * each
    assert list_files(store.place) == []


def test_cleaning_touches_nothing_else_but_what_was_abandoned(store: FeatureStore) -> None:
    store.put(name(0), ARRAYS)
    folder = store.place / name(0)[:2]
    for other in ("notes.txt", f".{name(1)}.partial", f".{name(2)}.partial"):
        (folder / other).write_text("x")
    os.utime(folder / f".{name(1)}.partial", (0, 0))  # of a process that was killed long ago
    store.clean()
    assert [path.name for path in list_files(store.place)] == [f".{name(2)}.partial", "notes.txt"]


def test_a_place_that_cannot_be_written_is_told_once(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "file").touch()
    store = FeatureStore(tmp_path / "file" / "features", GB)
    for number in range(3):
        assert store.get(name(number)) is None
        store.put(name(number), ARRAYS)
    (line,) = capsys.readouterr().err.splitlines()
    assert "can't be written (Not a directory)" in line


def test_sections_are_apart(store: FeatureStore) -> None:
    one, other = StoreSection(store, {"network": "a"}), StoreSection(store, {"network": "b"})
    one.put(name(1), ARRAYS)
    assert one.get(name(1)) is not None
    assert other.get(name(1)) is None
    assert one.get(name(2)) is None
    nothing = StoreSection(None, {"network": "a"})
    nothing.put(name(1), ARRAYS)
    assert nothing.get(name(1)) is None


def test_threads_may_use_one_entry_at_once(tmp_path: Path) -> None:
    """Half of them delete and write, the others read: each gets the whole entry, or nothing."""
    place, wrong, end = tmp_path / "features", list[object](), time.monotonic() + 1.5

    def work(number: int) -> None:
        store = FeatureStore(place, GB)
        while time.monotonic() < end:
            if number % 2:
                store.put(name(1), ARRAYS)
                store.clean()
            elif (found := store.get(name(1))) is not None and not (
                found["features"] == ARRAYS["features"]
            ).all():
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_process_that_is_killed_leaves_whole_entries(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from softcore_export.feature_store.feature_store import FeatureStore\n"
        "store = FeatureStore(Path(sys.argv[1]), 10**9)\n"
        "print('begun', flush=True)\n"
        "for n in range(10**6):\n"
        "    store.put(f'{n % 50:064x}', {'features': np.full((400, 300), n % 50, np.float32)})\n"
    )
    place = tmp_path / "features"
    for delay in (0.01, 0.05, 0.2):
        command = [sys.executable, "-c", script, str(place)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
    store = FeatureStore(place, GB)
    known = [(n, found) for n in range(50) if (found := store.get(name(n)))]
    assert known
    assert all((found["features"] == n).all() for n, found in known)
    assert store.measure().entries == len(known)


@pytest.mark.parametrize(("given", "most"), [("", 20 * GB), ("0.5", GB // 2), ("0", 0)])
def test_its_size_is_of_the_environment(monkeypatch: pytest.MonkeyPatch, given: str, most: int) -> None:
    monkeypatch.setenv(feature_store.SIZE_VARIABLE, given)
    assert find_store().most == most
    assert (open_store() is None) == (most == 0)


@pytest.mark.parametrize("given", ["many", "-1", "nan", "inf"])
def test_a_size_that_is_none_is_a_mistake(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(feature_store.SIZE_VARIABLE, given)
    with pytest.raises(UsageError, match=f"SOFTCORE_FEATURES_GB={given}: must be a number of gigabytes"):
        open_store()


def test_its_place_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_store().place == tmp_path / "softcore" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_store().place == tmp_path / ".cache" / "softcore" / "features"


def test_an_export_without_a_home_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(feature_store.Path, "home", fail)
    assert open_store() is None
    assert "name a folder with XDG_CACHE_HOME" in capsys.readouterr().err
