from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from softcore_benchmarks.category import Category
from softcore_benchmarks.certificates import LIMITS, compare, exhaustive_scores
from softcore_export.dataset import TrainingPictures
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, search
from softcore_runtime.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def inspector(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    settings = ExportSettings(
        backbone="filterbank",
        preprocessing=Preprocessing(resize=72, crop=64),
        discriminator="lof",
        lof_k=3,
        engine="onnxruntime",
    )
    target = tmp_path_factory.mktemp("bundles") / "stripes"
    category = Category.find(root / "stripes")
    export(TrainingPictures(category.folder, list(category.train)), target, settings)
    return Inspector.load(target)


def test_the_oracle_is_scipys() -> None:
    rng = np.random.default_rng(0)
    patches, bank = rng.normal(size=(9, 5)).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    weights = rng.random(40).astype(np.float32)
    every = cdist(patches.astype(float), bank.astype(float))
    expected = weights[every.argmin(1)] * every.min(1)
    np.testing.assert_allclose(exhaustive_scores(patches, bank, weights), expected, rtol=1e-12)


def test_no_decision_flips(inspector: Inspector, root: Path) -> None:
    pictures = list(Category.find(root / "stripes").test)
    found = compare(inspector, pictures)
    assert found["flips"] == 0
    assert found["decisions"] == 2 * LIMITS * len(pictures)
    assert found["weight_max"] != 1
    assert found["by_hint"] + found["by_hnsw"] + found["exact"] == pytest.approx(1, abs=2e-4)  # type: ignore[operator]


def test_a_search_that_trusts_the_index_is_found_out(
    inspector: Inspector, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every patch were certified at once: nothing would ever be above a limit."""
    monkeypatch.setattr(search.Search, "_reach", lambda *_: np.inf)
    assert compare(inspector, list(Category.find(root / "stripes").test))["flips"] > 0  # type: ignore[operator]
