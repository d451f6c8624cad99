from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.data.inspected_region import find_outline
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing


def save(folder: Path, image: np.ndarray) -> Path:
    path = folder / "region.png"
    assert cv2.imwrite(str(path), image)
    return path


def test_white_is_inspected(tmp_path: Path) -> None:
    image = np.zeros((100, 200), np.uint8)
    image[20:80, 50:150] = 255
    request = WindowRequest(roi_image=save(tmp_path, image))
    (polygon,) = find_outline(request, [], Preprocessing())
    assert sorted(polygon) == [(0.25, 0.2), (0.25, 0.8), (0.75, 0.2), (0.75, 0.8)]


@pytest.mark.parametrize(("level", "said"), [(0, "has no white"), (255, "is white throughout")])
def test_an_image_that_says_nothing_is_refused(tmp_path: Path, level: int, said: str) -> None:
    path = save(tmp_path, np.full((50, 50), level, np.uint8))
    with pytest.raises(UsageError, match=rf"^--roi-image .*region\.png: {said}"):
        find_outline(WindowRequest(roi_image=path), [], Preprocessing())


def test_an_image_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "region.png").write_bytes(b"text")
    with pytest.raises(UsageError, match=r"^--roi-image .*region\.png"):
        find_outline(WindowRequest(roi_image=tmp_path / "region.png"), [], Preprocessing())


def test_the_images_foreground_and_why_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for number in range(12):
        image = np.full((120, 120, 3), 40, np.uint8)
        cv2.circle(image, (60, 60 + number % 3), 30, (170, 170, 170), -1)
        paths.append(tmp_path / f"{number}.png")
        assert cv2.imwrite(str(paths[-1]), image)
    (tmp_path / "damaged.png").write_bytes(b"text")
    outline = find_outline(WindowRequest(roi="auto"), [*paths, tmp_path / "damaged.png"], Preprocessing())
    assert len(outline) == 1
    assert "--roi auto: the parts and a margin around all of them take up 2" in capsys.readouterr().err
    for path in paths:
        assert cv2.imwrite(str(path), np.full((120, 120, 3), 90, np.uint8))
    assert find_outline(WindowRequest(roi="auto"), paths, Preprocessing()) == ()
    assert "the whole frame is inspected, because only 0 of 12 images" in capsys.readouterr().err
    assert find_outline(WindowRequest(), paths, Preprocessing()) == ()
