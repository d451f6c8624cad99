from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.decisions.phrases import PHRASES, Phrase, read_all, read_phrases
from softcore_edge_app.health.drift_monitor import DriftReading
from softcore_runtime.bundle.training import Training, draw_thumbnail, measure_image_statistics

VALUES = {"quantity": "scores of good parts are", "decision": "FAIL", "pace": "slow"}


@pytest.mark.parametrize("key", PHRASES)
def test_each_phrase_is_read_as_itself(key: str) -> None:
    """Also before another one, as a decision that was refused twice has two reasons."""

    class Values(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return VALUES.get(name, "12.5")

    said = PHRASES[key].format_map(Values())
    assert [phrase.key for phrase in read_phrases(said)] == [key]
    assert [phrase.key for phrase in read_phrases(f"{said}; the image is black")] == [key, "black"]


def test_what_frame_checks_find_is_read(good_frame: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(80, 140, (64, 64, 3), dtype=np.uint8)
    checks = FrameChecks(
        Training(np.ones(1), draw_thumbnail(noise)[None], measure_image_statistics(noise)[None])
    )
    frames = {
        "dark": noise // 20,
        "bright": np.full_like(noise, 255),
        "flat": np.full_like(noise, 110),
        "blurred": np.repeat(good_frame[:, :, :1], 3, axis=2),
    }
    for key, frame in frames.items():
        (phrase,) = read_phrases(checks.find_fault(frame) or "")
        assert phrase.key == key
        assert "bound" in phrase.values


@pytest.mark.parametrize(
    ("quantity", "change", "when", "key"),
    [
        ("score", 0.12, "at calibration", "alarm.higher.calibration"),
        ("brightness", -0.3, "in training", "alarm.lower.training"),
        ("sharpness", -0.3, "for the first 20 that were measured", "alarm.lower.first"),
        ("fail_share", 0.9, "usually 5% at most", "alarm.share"),
    ],
)
def test_what_drift_says_is_read(quantity: str, change: float, when: str, key: str) -> None:
    reading = DriftReading("left", "pill", quantity, "fast", change, raised=True, when=when)
    (phrase,) = read_phrases(str(reading))
    assert phrase.key == key
    assert phrase.values["camera"] == "left"
    assert phrase.values.get("quantity", quantity) == quantity


def test_older_ledgers_are_read() -> None:
    assert read_phrases("the picture is black; late: x") == [
        Phrase("black", {}),
        Phrase("other", {"text": "late: x"}),
    ]


@given(st.text())
def test_nothing_is_lost_of_what_is_said_in_no_known_way(said: str) -> None:
    phrases = read_phrases(said)
    told = "; ".join(phrase.values.get("text", "") for phrase in phrases)
    assert any(phrase.key != "other" for phrase in phrases) or told == said.removesuffix("; ")
    assert all(phrase.key == "other" for phrase in phrases) or said in read_all([said])
