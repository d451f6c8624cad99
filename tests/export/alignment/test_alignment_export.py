"""Bundles that align, exported and used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, export
from softcore_export.settings import ExportSettings
from softcore_runtime import AlignmentError, Decision, Inspector
from softcore_runtime.bundle.bundle import REFERENCE, read_bundle
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.inspection.overlays import outline

from .parts import SIDE, draw_part

COUNT = 40


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory, small: ExportSettings) -> Export:
    """The finished export of parts that were moved and turned, one of which shows no part."""
    root = tmp_path_factory.mktemp("parts")
    (root / "part").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        x, y, angle = rng.uniform(-1, 1, 3) * (6, 6, 40)
        image = np.full((SIDE, SIDE, 3), 60, np.uint8) if number == 5 else draw_part(x, y, angle, seed=number)
        assert cv2.imwrite(str(root / "part" / f"{number:02}.png"), image)
    settings = small.model_copy(update={"align": "rigid", "coreset_ratio": 0.3, "tau": 0.0})
    return export(TrainingImages.find(root / "part"), root / "bundles" / "part", settings)


@pytest.fixture(scope="module")
def inspector(aligned: Export) -> Inspector:
    return Inspector.load(aligned.path)


def test_the_bundle_says_how(aligned: Export) -> None:
    alignment = aligned.manifest.alignment
    assert alignment is not None
    assert alignment.mode == "rigid"
    assert 0.3 < alignment.floor < 0.7
    assert "alignment" in aligned.seconds
    bundle = read_bundle(aligned.path)
    assert bundle.reference is not None
    assert bundle.reference.shape == (256, 256, 3)


def test_a_training_image_without_the_part_is_left_out_and_named(aligned: Export) -> None:
    (line,) = aligned.skipped
    assert line.endswith(
        f"(alignment quality 0.00, at least {aligned.manifest.alignment.floor:.2f} is needed)"
    )
    assert "05.png: the part is not where it should be" in line
    assert len(aligned.images) == COUNT - 1


@pytest.mark.parametrize(("x", "y", "angle"), [(0, 0, 0), (12, -9, 0), (-8, 10, 15), (5, 5, 170)])
def test_moved_parts_pass_and_moved_defects_fail(
    inspector: Inspector, x: float, y: float, angle: float
) -> None:
    good = inspector.inspect(draw_part(x, y, angle, seed=100))
    bad_frame = draw_part(x, y, angle, seed=101, spot=True)
    bad = inspector.inspect(bad_frame)
    assert good.decision is Decision.PASS
    assert bad.decision is Decision.FAIL
    assert good.registration is not None
    assert bad.registration is not None
    assert bad.registration.quality > 0.8
    assert inspector.decide(bad_frame).registration == bad.registration
    # By OpenCV alone: where the spot lies in the frame.
    matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), angle, 1)
    matrix[:, 2] += (x, y)
    spot = matrix @ (58, 74, 1)
    assert bad.anomaly_map is not None
    row, column = np.unravel_index(bad.anomaly_map.argmax(), bad.anomaly_map.shape)
    found = bad.locate((column + 0.5) / 64, (row + 0.5) / 64)
    assert np.hypot(found[0] - spot[0], found[1] - spot[1]) < 20  # a patch is 14 pixels of the frame wide
    highest = replace(bad, threshold=0.8 * bad.score, fail_above=0.8 * bad.score)
    drawn = outline(bad_frame, highest, longest=SIDE)
    rows, columns = np.nonzero(np.abs(drawn.astype(int) - bad_frame).max(axis=2) > 40)
    assert len(rows)
    assert np.hypot(columns.mean() - found[0], rows.mean() - found[1]) < 6


def test_a_part_that_is_not_there_is_no_fail(inspector: Inspector) -> None:
    empty = np.clip(np.random.default_rng(0).normal(60, 4, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    for run in (inspector.decide, inspector.inspect):
        with pytest.raises(AlignmentError, match=r"^the part is not where it should be"):
            run(empty)
    with pytest.raises(AlignmentError):
        inspector.decide_batch([draw_part(seed=1), empty])


def test_the_same_in_a_batch(inspector: Inspector) -> None:
    frames = [draw_part(4, 5, 10, seed=1), draw_part(-4, 5, -10, seed=2, spot=True)]
    together = inspector.inspect_batch(frames)
    assert [one.score for one in together] == [inspector.inspect(frame).score for frame in frames]


def test_a_bundle_without_its_reference_is_refused(aligned: Export, tmp_path: Path) -> None:
    broken = tmp_path / "part"
    broken.mkdir()
    for file in aligned.path.rglob("*"):
        if file.is_file() and file.name != REFERENCE:
            place = broken / file.relative_to(aligned.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    with pytest.raises(BundleCorruptError, match=REFERENCE):
        read_bundle(broken)


def test_the_report_shows_the_reference(aligned: Export) -> None:
    page = (aligned.path / "report.html").read_text()
    assert 'alt="The reference"' in page
    assert "moved and turned to where it lies in the" in " ".join(page.split())
