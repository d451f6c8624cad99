from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from softcore_export.alignment.small_images import IMAGES, read_small
from softcore_runtime.images.preprocessing import Preprocessing


def write(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    paths = []
    for number, (height, width) in enumerate(sizes):
        paths.append(folder / f"{number:03}.png")
        ramp = np.linspace(0, 250, width).astype(np.uint8)
        assert cv2.imwrite(str(paths[-1]), np.repeat(ramp[None, :, None], height, 0).repeat(3, 2))
    return paths


def test_images_become_small_and_alike(tmp_path: Path) -> None:
    paths = write(tmp_path, [(300, 600), (300, 600), (50, 60)])
    images = read_small(paths, Preprocessing())
    assert [image.shape for image in images] == [(128, 256, 3)] * 3
    assert np.abs(images[0][:, :, 0].astype(int) - np.linspace(0, 250, 256)).max() < 3


def test_small_images_are_enlarged(tmp_path: Path) -> None:
    assert read_small(write(tmp_path, [(40, 32)]), Preprocessing())[0].shape == (256, 205, 3)


def test_some_of_many_are_read_and_the_unreadable_left_out(tmp_path: Path) -> None:
    paths = write(tmp_path, [(20, 20)] * (IMAGES + 30))
    paths[0].write_bytes(b"no image")
    assert len(read_small(paths, Preprocessing())) == IMAGES - 1
    assert read_small(paths[:1], Preprocessing()) == []
