from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from softcore_export.feature_store import identity
from softcore_export.feature_store.identity import identify_images, identify_network
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing
from softcore_runtime.alignment.alignment import Alignment
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Size, Windows

PLAIN = Preprocessing(resize=72, crop=64)
REFERENCE = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)


def align(mode: str = "translation", floor: float = 0.5, reference: np.ndarray = REFERENCE) -> Preprocessing:
    alignment = Alignment.model_validate({"mode": mode, "floor": floor})
    return AlignedPreprocessing.create(PLAIN, Aligner(alignment, reference))


def test_whatever_changes_the_crop_changes_the_identity() -> None:
    changed = REFERENCE.copy()
    changed[5, 5, 0] ^= 1  # one bit of one pixel
    ways = [
        PLAIN,
        Preprocessing(resize=80, crop=64),
        Preprocessing(resize=72, crop=48),
        PLAIN.model_copy(update={"white": 4095}),
        align(),
        align(mode="rigid"),
        align(floor=0.6),
        align(reference=changed),
    ]
    identities = [identify_images(way) for way in ways]
    assert all(one != other for n, one in enumerate(identities) for other in identities[:n])
    assert identify_images(align()) == identify_images(align())


@dataclass(frozen=True)
class Network:
    engine: str = "openvino"
    version: str = "2025.0"
    provider: str = "cpu"
    precision: str = "bf16"
    device: object = None


def test_whatever_changes_the_features_changes_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("one", "other"):
        (tmp_path / file).write_text(file)

    def identify(file: str = "one", preprocessing: Preprocessing = PLAIN, **changes: object) -> object:
        return identify_network(tmp_path / file, Network(**changes), preprocessing)  # type: ignore[arg-type]

    identities = [
        identify(),
        identify("other"),
        identify(preprocessing=align()),
        identify(engine="onnxruntime"),
        identify(version="2025.1"),
        identify(provider="cuda"),
        identify(precision="fp32"),
        identify(device="an H100"),
    ]
    monkeypatch.setattr(identity, "usable_cpus", lambda: 77)
    identities.append(identify())
    monkeypatch.setattr(identity, "_name_processor", lambda: "another")
    identities.append(identify())
    monkeypatch.setattr(identity, "cv2", SimpleNamespace(__version__="0"))
    identities.append(identify())
    assert all(one != other for n, one in enumerate(identities) for other in identities[:n])


def test_windows_count() -> None:
    whole = Preprocessing(resize=64, crop=64)
    windows = Windows(frame=Size(width=96, height=64), columns=2, across=32)
    assert identify_images(whole.model_copy(update={"windows": windows})) != identify_images(whole)
