from __future__ import annotations

import pytest
from pydantic import ValidationError
from softcore_export.settings import ExportSettings


def test_the_defaults() -> None:
    settings = ExportSettings()
    assert settings.backbone == "wide_resnet50_2"
    assert (settings.discriminator, settings.lof_k, settings.tau) == ("auto", 6, 0.15)
    assert (settings.find_ratio(), settings.soft_weights, settings.floor) == (0.1, True, "auto")
    assert (settings.preprocessing.resize, settings.preprocessing.crop) == (224, 224)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tau": -0.01}, {"tau": 1}, {"tau": float("nan")}, {"lof_k": 0}, {"coreset_ratio": 0},
        {"coreset_ratio": 1.01}, {"coreset_ratio": float("nan")}, {"seed": -1}, {"seed": 2**32},
        {"discriminator": "guess"}, {"device": "tpu"}, {"preprocessing": {"resize": 64, "crop": 65}},
        {"unknown": 1}, {"preprocessing": {"zoom": 2}}, {"floor": -0.1}, {"floor": float("nan")},
        {"floor": float("inf")}, {"floor": 101}, {"floor": "many"}, {"floor": None},
        {"resolution": 448}, {"budget": 0}, {"budget": float("inf")}, {"grid": 1}, {"coreset_ratio": "many"},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExportSettings.model_validate(wrong)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ExportSettings().tau = 0.5


@pytest.mark.parametrize(
    ("given", "has_floors", "weighs"),
    [
        ({}, True, False),
        ({"floor": 0}, False, False),
        ({"floor": 0.5}, True, False),
        ({"discriminator": "none"}, False, False),
        ({"discriminator": "none", "floor": 2}, True, False),
        ({"discriminator": "lof"}, False, True),
        ({"discriminator": "nearest", "floor": 0}, False, True),
        ({"discriminator": "gaussian", "soft_weights": False}, False, False),
        ({"discriminator": "lof", "soft_weights": False, "floor": "1.5"}, True, False),
    ],
    ids=str,
)
def test_the_default_has_floors_and_the_papers_settings_have_none(
    given: dict[str, object], has_floors: bool, weighs: bool
) -> None:
    settings = ExportSettings.model_validate(given)
    assert (settings.has_floors, settings.weighs) == (has_floors, weighs)


@pytest.mark.parametrize("discriminator", ["lof", "nearest", "gaussian"])
def test_floors_and_soft_weights_exclude_each_other(discriminator: str) -> None:
    with pytest.raises(ValidationError, match=r"floor 1\.0 and soft_weights exclude each other"):
        ExportSettings.model_validate({"discriminator": discriminator, "floor": 1})
