from __future__ import annotations

import numpy as np
import pytest
from softcore_export.acceptance.provisional_threshold import find_trusted, provisional_threshold
from softcore_export.contamination.choices import Choice, Choices
from softcore_export.settings import ExportSettings

DIGESTS = [f"{number:064x}" for number in range(4)]
SUSPICION = np.array([0.5, 2.0, 0.9, 1.1])
ALL_KEPT = np.ones((4, 9), np.bool_)


@pytest.mark.parametrize(
    ("changes", "trusted"),
    [
        ({"discriminator": "auto"}, [True, False, True, False]),
        ({"discriminator": "lof", "tau": 0.25}, [True, False, True, True]),
        ({"discriminator": "none", "tau": 0.0}, [True, True, True, True]),
    ],
)
def test_suspect_images_set_no_threshold(changes: dict[str, object], trusted: list[bool]) -> None:
    settings = ExportSettings.model_validate(changes)
    assert find_trusted(SUSPICION, ALL_KEPT, DIGESTS, Choices(), settings).tolist() == trusted


def test_a_person_overrules_which_images_set_the_threshold() -> None:
    choices = {0: Choice(action="exclude"), 1: Choice(action="keep")}
    found = Choices(images={DIGESTS[row]: choice for row, choice in choices.items()})
    settings = ExportSettings(discriminator="auto")
    assert find_trusted(SUSPICION, ALL_KEPT, DIGESTS, found, settings).tolist() == [False, True, True, False]


def test_if_no_image_is_trusted_those_with_kept_patches_are() -> None:
    kept = ALL_KEPT.copy()
    kept[2] = False
    settings = ExportSettings(discriminator="auto")
    found = find_trusted(SUSPICION + 1, kept, DIGESTS, Choices(), settings)
    assert found.tolist() == [True, True, False, True]


def test_the_threshold_is_the_highest_score_of_those_trusted() -> None:
    scores = np.array([1.0, 9.0, 3.0, 8.0, 2.0, 5.0, 4.0, 7.0])
    threshold = provisional_threshold(scores, np.array([1, 0, 1, 1, 1, 1, 1, 0], np.bool_))
    assert threshold.value == 8
    assert threshold.provisional
    assert "6 least suspect" in threshold.method
    assert provisional_threshold(scores, scores == 3).value == 3


def test_a_threshold_is_above_zero_even_where_no_score_is() -> None:
    threshold = provisional_threshold(np.zeros(8), np.ones(8, np.bool_))
    assert 0 < threshold.value < 1e-30
    assert np.float32(threshold.value) > 0
