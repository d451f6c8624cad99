from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from softcore_benchmarks import certificates
from softcore_benchmarks.certificates import THRESHOLDS, compare, exhaustive_scores
from softcore_benchmarks.data.category import Category
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector
from softcore_runtime.search import search

from .conftest import SMALL


@pytest.fixture(scope="module")
def inspector(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    settings = ExportSettings(
        backbone="filterbank",
        preprocessing=SMALL,
        discriminator="lof",
        lof_k=3,
        engine="onnxruntime",
    )
    target = tmp_path_factory.mktemp("bundles") / "stripes"
    category = Category.find(root / "stripes")
    export(TrainingImages(category.folder, list(category.train)), target, settings)
    return Inspector.load(target)


def test_the_oracle_is_scipys() -> None:
    rng = np.random.default_rng(0)
    patches, bank = rng.normal(size=(9, 5)).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    weights = rng.random(40).astype(np.float32)
    every = cdist(patches.astype(float), bank.astype(float))
    expected = weights[every.argmin(1)] * every.min(1)
    found = exhaustive_scores(patches, bank, weights, np.zeros(40, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    floors = rng.uniform(0, every.max(), 40).astype(np.float32)
    found = exhaustive_scores(patches, bank, np.ones(40, np.float32), floors)
    np.testing.assert_allclose(found, np.maximum(every, floors).min(1), rtol=1e-12)


def test_no_decision_flips(inspector: Inspector, root: Path) -> None:
    images = list(Category.find(root / "stripes").test)
    found = compare(inspector, images)
    assert found["flips"] == 0
    assert found["decisions"] == 2 * THRESHOLDS * len(images)
    assert found["weight_max"] != 1
    assert found["by_hint"] + found["by_hnsw"] + found["exact"] == pytest.approx(1, abs=2e-4)  # type: ignore[operator]


def test_a_search_that_trusts_the_index_is_found_out(
    inspector: Inspector, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every patch were certified at once: nothing would ever be above a threshold."""
    monkeypatch.setattr(search.Search, "_reach", lambda *_: np.inf)
    assert compare(inspector, list(Category.find(root / "stripes").test))["flips"] > 0  # type: ignore[operator]


def test_one_command_writes_the_page_and_fails_on_a_flip(
    root: Path,
    resnet18: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(certificates, "RATIOS", {"waves": 0.01})
    monkeypatch.setattr(certificates, "THRESHOLDS", 3)
    monkeypatch.setattr(certificates, "ExportSettings", partial(ExportSettings, preprocessing=SMALL))
    arguments = [
        "--data",
        str(root),
        "--out",
        str(tmp_path),
        "--categories",
        "waves",
        "--weights",
        str(resnet18),
    ]
    assert certificates.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "CERTIFICATES.md")
    assert "132 decisions, 0 flips." in (tmp_path / "CERTIFICATES.md").read_text()
    assert len((tmp_path / "results/certificates.csv").read_text().splitlines()) == 3
    monkeypatch.setattr(search.Search, "_reach", lambda *_: np.inf)
    assert certificates.main(arguments) == 1
    assert certificates.main([*arguments[:-1], "nowhere.pth"]) == 2
