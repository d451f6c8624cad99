from __future__ import annotations

import pytest
from pydantic import ValidationError
from softcore_export.settings import ExportSettings


def test_the_defaults_are_the_papers() -> None:
    settings = ExportSettings()
    assert settings.backbone == "wide_resnet50_2"
    assert (settings.discriminator, settings.lof_k, settings.tau) == ("auto", 6, 0.15)
    assert (settings.coreset_ratio, settings.soft_weights) == (0.1, True)
    assert (settings.preprocessing.resize, settings.preprocessing.crop) == (256, 224)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tau": -0.01}, {"tau": 1}, {"tau": float("nan")}, {"lof_k": 0}, {"coreset_ratio": 0},
        {"coreset_ratio": 1.01}, {"coreset_ratio": float("nan")}, {"seed": -1}, {"seed": 2**32},
        {"discriminator": "guess"}, {"device": "tpu"}, {"preprocessing": {"resize": 64, "crop": 65}},
        {"unknown": 1}, {"preprocessing": {"zoom": 2}},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExportSettings.model_validate(wrong)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ExportSettings().tau = 0.5
