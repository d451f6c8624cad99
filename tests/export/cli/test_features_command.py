from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from softcore_export.cli.features_command import main
from softcore_export.feature_store.feature_store import FeatureStore

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    filled = FeatureStore(tmp_path / "softcore" / "features", 10**9)
    for number in range(3):
        filled.put(f"{number:064x}", {"features": np.zeros(250_000, np.float32)})
    return filled


def test_number_size_and_place_are_shown(store: FeatureStore, capsys: Capsys) -> None:
    assert main([]) == 0
    said = f"{store.place}: 3 entries, 3.0 MB; at most 20.0 GB (SOFTCORE_FEATURES_GB)\n"
    assert capsys.readouterr().out == said


def test_all_is_deleted_or_all_but_so_much(store: FeatureStore, capsys: Capsys) -> None:
    assert main(["clean", "--keep", "0.0015"]) == 0
    assert capsys.readouterr().out.endswith("deleted 2 entries, 2.0 MB; left 1 entry, 1.0 MB\n")
    assert main(["clean"]) == 0
    assert capsys.readouterr().out.endswith("deleted 1 entry, 1.0 MB; left 0 entries, 0.0 MB\n")
    assert store.measure().entries == 0


@pytest.mark.parametrize("given", ["many", "-1", "nan", "inf"])
def test_what_to_keep_is_a_number(given: str, store: FeatureStore, capsys: Capsys) -> None:
    assert main(["clean", f"--keep={given}"]) == 2
    assert capsys.readouterr().err == (
        f"softcore features clean: --keep {given}: must be a number of gigabytes from 0 up\n"
    )
    assert store.measure().entries == 3
