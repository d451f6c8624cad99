from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_runtime.images.image_file import read_image

from ..conftest import BAD, GOOD, SMALL, TRAIN


def test_features_are_the_networks_of_every_image(root: Path, network: Network, work: Path) -> None:
    category = Category.find(root / "waves")
    found = load_features(category, network, work / "features")
    assert found.train.shape == (TRAIN, 64, 384)
    assert found.test.shape == (GOOD + BAD, 64, 384)
    crop = SMALL.apply(read_image(category.test[3]))
    np.testing.assert_array_equal(found.test_crops[3], crop)
    np.testing.assert_array_equal(found.test[3], network.backbone.features(crop[None])[0])
    assert found.seconds > 0


def test_they_are_computed_once_and_anew_when_a_image_changes(
    root: Path, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root / "waves", tmp_path / "waves")
    category = Category.find(tmp_path / "waves")
    load_features(category, network, tmp_path / "features")
    with monkeypatch.context() as patch:
        patch.setattr("softcore_benchmarks.data.feature_store.map_features", None)
        load_features(category, network, tmp_path / "features")
    shutil.copy(category.test[-1], category.train[0])
    found = load_features(category, network, tmp_path / "features")
    np.testing.assert_array_equal(found.train[0], found.test[-1])


def test_an_interrupted_extraction_is_done_again(
    root: Path, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    category = Category.find(root / "waves")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("softcore_benchmarks.data.feature_store.map_features", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_features(category, network, tmp_path)
    assert load_features(category, network, tmp_path).train.shape == (TRAIN, 64, 384)


def test_another_preprocessing_is_another_network(resnet18: Path, network: Network, work: Path) -> None:
    other = Network.load("resnet18", resnet18, SMALL.model_copy(update={"resize": 64}), work / "networks")
    assert other.key != network.key
