from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from softcore_runtime import read_image
from softcore_runtime.errors import ImageError, UsageError
from softcore_runtime.images.bounds import VARIABLE, check_size, find_largest


def test_the_variable_sets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Image.new("L", (100, 60), 7).save(tmp_path / "a.png")
    assert find_largest() == 200_000_000
    monkeypatch.setenv(VARIABLE, "0.005")
    with pytest.raises(
        ImageError, match=r"a\.png: an image of 100 x 60 pixels can't be read: at most 0.005 mega"
    ):
        read_image(tmp_path / "a.png")
    monkeypatch.setenv(VARIABLE, " 0.006 ")
    assert read_image(tmp_path / "a.png").shape == (60, 100, 3)
    monkeypatch.setenv(VARIABLE, "")
    assert find_largest() == 200_000_000


@pytest.mark.parametrize("text", ["many", "0", "-3", "nan", "inf"])
def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match=f"{VARIABLE} must be a number above 0, not '{text}'"):
        check_size(8, 8)


def test_a_file_of_a_terabyte_is_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "a.bmp").open("wb") as file:
        file.write(b"BM")
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match=r"a file of 1,099\.5 GB can't be read"):
        read_image(tmp_path / "a.bmp")


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    for path in (tmp_path / "a.png", Path("/dev/zero")):
        with pytest.raises(ImageError, match=r"can't be read \(not a regular file\)"):
            read_image(path)


def test_the_largest_that_is_allowed_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Image.new("L", (2000, 1000), 7).save(tmp_path / "a.png")
    monkeypatch.setenv(VARIABLE, "2")
    np.testing.assert_array_equal(np.unique(read_image(tmp_path / "a.png")), [7])
