from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_runtime import InspectionResult, Inspector, UsageError, overlay, read_image


@pytest.fixture
def inspection(tiny_bundle: Path, bad_frame: np.ndarray) -> InspectionResult:
    return Inspector.load(tiny_bundle).inspect(bad_frame)


def test_an_overlay_is_the_runtimes_image(
    tmp_path: Path, bad_frame: np.ndarray, inspection: InspectionResult
) -> None:
    folder = OverlayFolder(tmp_path / "new" / "overlays")
    path = folder.save(Frame(12, "scratch/7.png", image=bad_frame), inspection)
    assert path == tmp_path / "new/overlays/000012_scratch_7_FAIL.png"
    assert np.array_equal(read_image(path), overlay(bad_frame, inspection))
    assert folder.saved == 1
    assert list(folder.path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("line.avi#3", "000001_line_FAIL.png"),
        ("camera 0#3", "000001_camera_0_3_FAIL.png"),
        ("../../etc/a\nb.png", "000001_etc_a_b_FAIL.png"),
        ("日本.png", "000001_FAIL.png"),
        ("x/" * 400 + "y.png", f"000001_{'x_' * 50}"[:-1].removesuffix("x") + "y_FAIL.png"),
    ],
)
def test_names_are_safe(
    tmp_path: Path, bad_frame: np.ndarray, inspection: InspectionResult, name: str, expected: str
) -> None:
    path = OverlayFolder(tmp_path).save(Frame(1, name, image=bad_frame), inspection)
    assert path.parent == tmp_path
    assert path.name == expected


def fill_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_an_error_with_a_place(
    tmp_path: Path,
    bad_frame: np.ndarray,
    inspection: InspectionResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = OverlayFolder(tmp_path / "overlays")
    target = folder.path / "000001_x_FAIL.png"
    monkeypatch.setattr("softcore_runtime.atomic_file.os.write", fill_disk)
    with pytest.raises(OSError, match="No space left") as caught:
        folder.save(Frame(1, "x.png", image=bad_frame), inspection)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(target)
    assert list(folder.path.iterdir()) == []  # what was half written is gone
    assert folder.saved == 0


def test_a_frame_without_a_image_has_no_overlay(tmp_path: Path, inspection: InspectionResult) -> None:
    with pytest.raises(ValueError, match="frame 3"):
        OverlayFolder(tmp_path).save(Frame(3, "x", reason="cut off"), inspection)


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/overlays"])
def test_what_can_be_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--save-overlays .*not a folder to write to"):
        OverlayFolder(tmp_path / name)
