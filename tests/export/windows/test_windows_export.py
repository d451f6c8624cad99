"""Bundles of several windows, exported and used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnxruntime
import pytest
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, export
from softcore_export.settings import ExportSettings
from softcore_export.windows.drawn_region import DrawnPolygon, DrawnRegion
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime import Decision, Inspector
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Size

Draw = Callable[..., np.ndarray]
PARTS = 4


def draw_strip(draw_disc: Draw, number: int, spot: int | None = None) -> np.ndarray:
    """Four discs side by side, uint8 BGR [80, 320, 3], with a dark spot on one of them if wanted."""
    return np.hstack([draw_disc(1000 + PARTS * number + part, spot=part == spot) for part in range(PARTS)])


def export_strips(root: Path, draw_disc: Draw, small: ExportSettings, request: WindowRequest) -> Export:
    (root / "strip").mkdir(parents=True)
    for number in range(12):
        assert cv2.imwrite(str(root / "strip" / f"{number:02}.png"), draw_strip(draw_disc, number))
    crop = Preprocessing(resize=64, crop=64)
    settings = small.model_copy(update={"windows": request, "preprocessing": crop})
    return export(TrainingImages.find(root / "strip"), root / "bundles" / "strip", settings)


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory, draw_disc: Draw, small: ExportSettings) -> Export:
    """The finished export of twelve strips, with the defaults of the windows."""
    return export_strips(tmp_path_factory.mktemp("strips"), draw_disc, small, WindowRequest())


def test_strips_are_not_squeezed(strips: Export) -> None:
    manifest = strips.manifest
    windows = manifest.preprocessing.windows
    assert windows is not None
    assert (windows.rows, windows.columns, windows.across) == (1, 5, 48)
    assert manifest.preprocessing.canvas == (64, 256)
    assert (manifest.grid.height, manifest.grid.width) == (8, 32)
    assert strips.kept.shape == (12, 256)


def test_the_patches_are_the_networks(strips: Export, draw_disc: Draw) -> None:
    """By OpenCV and ONNX Runtime alone: the middle of each window, and the outer ends of the strip."""
    inspector = Inspector.load(strips.path)
    strip = draw_strip(draw_disc, 99)
    canvas = cv2.resize(strip, (256, 64), interpolation=cv2.INTER_AREA)
    crops = np.stack([canvas[:, left : left + 64] for left in range(0, 193, 48)])
    session = onnxruntime.InferenceSession(
        str(strips.path / "backbone.onnx"), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {"crops": crops})[0].reshape(5, 8, 8, -1)
    bank, weights = inspector.bundle.bank, inspector.bundle.weights.astype(float)

    def score(patch: np.ndarray) -> float:
        distances = np.linalg.norm(bank.astype(float) - patch, axis=1)
        return float(weights[distances.argmin()] * distances.min())

    found = inspector.inspect(strip).patch_scores
    assert found is not None
    for window, local, column in ((0, 0, 0), (0, 4, 4), (1, 3, 9), (2, 4, 16), (4, 7, 31)):
        for row in range(8):
            exact = score(expected[window, row, local])
            assert found[row, column] >= exact * (1 - 1e-4)
            assert found[row, column] == pytest.approx(
                exact, rel=0.25
            )  # below the threshold, of what was compared


@pytest.mark.parametrize("spot", range(PARTS))
def test_a_defect_is_found_where_it_is(strips: Export, draw_disc: Draw, spot: int) -> None:
    inspector = Inspector.load(strips.path)
    good, bad = draw_strip(draw_disc, 77), draw_strip(draw_disc, 77, spot)
    assert inspector.decide(good).decision is Decision.PASS
    assert inspector.decide(bad).decision is Decision.FAIL
    result = inspector.inspect(bad)
    assert result.anomaly_map is not None
    assert result.anomaly_map.shape == (64, 256)
    assert (result.window.x, result.window.y, result.window.width, result.window.height) == (0, 0, 320, 80)
    row, column = np.unravel_index(result.anomaly_map.argmax(), result.anomaly_map.shape)
    x, y = (column + 0.5) * 320 / 256, (row + 0.5) * 80 / 64
    assert abs(x - (80 * spot + 50)) < 8
    assert abs(y - 34) < 8


def test_squeezed_on_request(tmp_path: Path, draw_disc: Draw, small: ExportSettings) -> None:
    done = export_strips(tmp_path, draw_disc, small, WindowRequest(keep_aspect=False))
    assert done.manifest.preprocessing.windows is None


def test_only_the_region_is_inspected(tmp_path: Path, draw_disc: Draw, small: ExportSettings) -> None:
    """The second of four discs: a defect there fails, one beside it isn't seen."""
    done = export_strips(tmp_path, draw_disc, small, WindowRequest(roi="25%,0,25%,100%"))
    inspector = Inspector.load(done.path)
    assert inspector.decide(draw_strip(draw_disc, 77, spot=1)).decision is Decision.FAIL
    for spot in (0, 2, 3):
        assert inspector.decide(draw_strip(draw_disc, 77, spot)).decision is Decision.PASS
    result = inspector.inspect(draw_strip(draw_disc, 77, spot=1))
    assert (result.window.x, result.window.width) == (80, 80)


def test_tiles_are_cut_in_both_directions(tmp_path: Path, draw_disc: Draw, small: ExportSettings) -> None:
    done = export_strips(tmp_path, draw_disc, small, WindowRequest(tile=40))
    windows = done.manifest.preprocessing.windows
    assert windows is not None
    assert (windows.rows, windows.columns) == (3, 9)
    inspector = Inspector.load(done.path)
    result = inspector.inspect(draw_strip(draw_disc, 77, spot=2))
    assert result.decision is Decision.FAIL
    assert result.anomaly_map is not None
    row, column = np.unravel_index(result.anomaly_map.argmax(), result.anomaly_map.shape)
    height, width = result.anomaly_map.shape
    assert abs((column + 0.5) * 320 / width - 210) < 8
    assert abs((row + 0.5) * 80 / height - 34) < 8


def test_beyond_the_outline_nothing_is_learned_or_inspected(
    tmp_path: Path, draw_disc: Draw, small: ExportSettings
) -> None:
    """The right half of the disc: a defect there fails; on the left, and as training image, it is nothing."""
    region = np.zeros((80, 80), np.uint8)
    cv2.ellipse(region, (40, 40), (36, 36), 0, -90, 90, 255, -1)
    assert cv2.imwrite(str(tmp_path / "region.png"), region)
    (tmp_path / "half").mkdir()
    for number in range(12):
        image = draw_disc(number)
        image[:, :30] = np.random.default_rng(number).integers(0, 256, (80, 30, 3))  # another left side each
        assert cv2.imwrite(str(tmp_path / "half" / f"{number:02}.png"), image)
    settings = small.model_copy(update={"windows": WindowRequest(roi_image=tmp_path / "region.png")})
    done = export(TrainingImages.find(tmp_path / "half"), tmp_path / "bundles" / "half", settings)
    windows = done.manifest.preprocessing.windows
    assert windows is not None
    assert windows.count > 1  # a half disc is oblong
    assert windows.region.x == pytest.approx(0.5, abs=0.02)
    grid = (done.manifest.grid.height, done.manifest.grid.width)
    outside = done.manifest.preprocessing.find_outside(grid)
    assert outside is not None
    assert 0.1 < outside.mean() < 0.5
    inspector = Inspector.load(done.path)
    origins = np.load(done.path / "origins.npy")
    assert not outside[origins[:, 1], origins[:, 2]].any()
    assert done.kept[:, outside.ravel()].all()  # it wasn't excluded: nobody looked at it

    good, bad = draw_disc(77), draw_disc(77, spot=True)
    mirrored = bad[:, ::-1].copy()
    mirrored[:, 40:] = good[:, 40:]
    assert inspector.decide(good).decision is Decision.PASS
    assert inspector.decide(mirrored).decision is Decision.PASS
    for result in (inspector.decide(bad), inspector.inspect(bad)):
        assert result.decision is Decision.FAIL
    scores = inspector.inspect(bad).patch_scores
    assert scores is not None
    assert (scores[outside] == 0).all()
    assert scores.max() == pytest.approx(inspector.inspect(bad).score)

    mask = np.zeros((80, 80, 3), np.uint8)
    mask[6:66, 34:] = 255  # all patches that see the spot
    inspector.override_threshold(inspector.manifest.threshold, mask)
    assert inspector.decide(bad).decision is Decision.PASS


def test_drawn_polygons_are_the_same_as_an_image_of_them(
    tmp_path: Path, discs: Path, small: ExportSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disc without a triangle in its middle, drawn and as `--roi-image`."""
    polygons = (
        DrawnPolygon(action="inspect", corners=((0.1, 0.2), (0.9, 0.1), (0.9, 0.85), (0.3, 0.9))),
        DrawnPolygon(action="leave out", corners=((0.35, 0.35), (0.7, 0.4), (0.5, 0.7))),
    )
    drawn = DrawnRegion(polygons=polygons)
    mask = drawn.rasterize(Size(width=80, height=80))
    assert cv2.imwrite(str(tmp_path / "region.png"), 255 * mask.astype(np.uint8))
    requests = {
        "drawn": WindowRequest(drawn=drawn),
        "image": WindowRequest(roi_image=tmp_path / "region.png"),
        "overruled": WindowRequest(
            roi_image=tmp_path / "region.png", drawn=DrawnRegion(polygons=polygons[:1])
        ),
    }
    images, found = TrainingImages.find(discs / "disc"), {}
    for name, request in requests.items():
        settings = small.model_copy(update={"windows": request})
        done = export(images, tmp_path / name / "disc", settings)
        said = f"region drawn in the review: {100 * mask.mean():.0f} % of the frame"
        assert (said in capsys.readouterr().err) == (name == "drawn")
        arrays = [
            (done.path / file).read_bytes()
            for file in ("bank.npy", "weights.npy", "origins.npy", "hints.npy")
        ]
        found[name] = (done.manifest.preprocessing, done.manifest.threshold, arrays)
    assert found["drawn"] == found["image"] == found["overruled"]
    preprocessing = found["drawn"][0]
    outside = preprocessing.find_outside((8, 8))
    assert outside is not None
    assert outside[3:5, 3:5].any()
    assert not outside[:, 1].all()


@pytest.mark.parametrize("bank_per", ["shared", "window", "auto"])
def test_what_belongs_elsewhere_is_excused_by_a_shared_bank_alone(
    tmp_path: Path, draw_disc: Draw, small: ExportSettings, bank_per: Literal["shared", "window", "auto"]
) -> None:
    """Left a disc, right a plain square: a strip with two squares has everything that good strips have."""

    def draw_pair(seed: int, *, swapped: bool = False) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(0, 4, (80, 80, 3))
        plain = np.clip(60 + noise, 0, 255).astype(np.uint8)
        return np.hstack([plain if swapped else draw_disc(seed), plain])

    (tmp_path / "pair").mkdir()
    for number in range(12):
        assert cv2.imwrite(str(tmp_path / "pair" / f"{number:02}.png"), draw_pair(number))
    settings = small.model_copy(
        update={
            "windows": WindowRequest(bank_per=bank_per, overlap=0),
            "preprocessing": Preprocessing(resize=64, crop=64),
        }
    )
    done = export(TrainingImages.find(tmp_path / "pair"), tmp_path / "bundles" / "pair", settings)
    windows = done.manifest.preprocessing.windows
    assert windows is not None
    assert windows.count == 2
    assert (windows.apart > 0) == (bank_per != "shared")
    inspector = Inspector.load(done.path)
    swapped = draw_pair(77, swapped=True)
    found = inspector.inspect(swapped)
    assert inspector.decide(draw_pair(78)).decision is Decision.PASS
    assert inspector.decide(swapped).decision is found.decision
    assert found.patch_scores is not None
    middle = found.patch_scores[2:6, 2:6].max()  # where a disc should be
    assert (middle > found.threshold) == (bank_per != "shared")
