from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from softcore_export.backbone.catalogue import FILTERBANK, list_networks
from softcore_export.backbone.filterbank import FilterBank
from softcore_export.backbone.offer import BackboneOffer, find_cache, list_offers
from torch import nn


@pytest.fixture
def offers() -> dict[str, BackboneOffer]:
    return {offer.name: offer for offer in list_offers()}


def test_every_network_is_offered_once_with_what_torchvision_says_of_it(
    offers: dict[str, BackboneOffer],
) -> None:
    assert sorted(offers) == sorted([*list_networks(), FILTERBANK])
    for name in list_networks():
        choices = torchvision.models.get_model_weights(name)
        weights = getattr(choices, "IMAGENET1K_V1", None) or choices.DEFAULT
        offer = offers[name]
        assert offer.parameters == weights.meta["num_params"], name
        assert offer.megabytes == pytest.approx(weights.meta["_file_size"] * 1.048576), name
        assert offer.weights == Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        assert (offer.weights_licence == "CC-BY-NC-4.0") is ("SWAG" in weights.meta.get("license", ""))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d"])
def test_features_are_the_channels_of_the_layers_taken_by_default(
    name: str, offers: dict[str, BackboneOffer]
) -> None:
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    last = [
        [one for one in getattr(model, layer)[-1].modules() if isinstance(one, nn.BatchNorm2d)][-1]
        for layer in ("layer2", "layer3")
    ]
    assert offers[name].features == sum(norm.num_features for norm in last)


def test_features_of_the_filter_bank(offers: dict[str, BackboneOffer]) -> None:
    maps = FilterBank()(torch.zeros(1, 3, 64, 64))
    assert offers[FILTERBANK].features == sum(value.shape[1] for value in maps.values())
    assert offers[FILTERBANK].is_here


def test_weights_are_here_once_they_are_in_torch_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert find_cache() == tmp_path / "hub" / "checkpoints"
    find_cache().mkdir(parents=True)
    (find_cache() / "resnet18-f37072fd.pth").touch()
    assert [offer.name for offer in list_offers() if offer.is_here] == [FILTERBANK, "resnet18"]
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert find_cache() == tmp_path / "cache" / "torch" / "hub" / "checkpoints"
