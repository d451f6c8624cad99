from __future__ import annotations

import pytest
import torchvision
from softcore_export.backbone.catalogue import check_backbone, list_networks
from softcore_runtime.errors import MissingLibraryError, UsageError


def test_it_has_what_torchvision_has() -> None:
    names = list_networks()
    assert names == torchvision.models.list_models(module=torchvision.models)
    assert {"resnet18", "wide_resnet50_2", "inception_v3"} <= set(names)


def test_known_ones_pass() -> None:
    for name in (*list_networks(), "filterbank"):
        check_backbone(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("resnet19", "resnet18"),
        ("wide_resnet50", "wide_resnet50_2"),
        ("WideResNet50", "wide_resnet50_2"),
        ("filterbnk", "filterbank"),
        ("convnext", "convnext_tiny"),
    ],
)
def test_the_nearest_is_named(name: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_backbone(name)
    assert str(caught.value) == f"--backbone {name}: no such network; did you mean {meant}?"


def test_where_none_is_near_some_are_named() -> None:
    with pytest.raises(
        UsageError, match=r"--backbone xyz: no such network; torchvision has resnet18, resnet50"
    ):
        check_backbone("xyz")


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softcore_export.backbone.catalogue.find_spec", lambda _: None)
    with pytest.raises(MissingLibraryError, match="torchvision is not installed; run: pip install"):
        check_backbone("resnet18")
    check_backbone("filterbank")


def test_a_torchvision_that_is_written_otherwise_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softcore_export.backbone.catalogue.list_networks", list)
    check_backbone("resnet19")
