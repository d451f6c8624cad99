from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_runtime.folders.copies import find_copies, hash_pixels, list_pairs


def write(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return sorted(folder / name for name in contents)


def test_the_shortest_name_is_the_original(tmp_path: Path) -> None:
    paths = write(tmp_path, {"7 - Copy.png": b"x", "7.png": b"x", "8.png": b"x", "9.png": b"y"})
    assert {copy.name: original.name for copy, original in find_copies(paths).items()} == {
        "7 - Copy.png": "7.png",
        "8.png": "7.png",
    }


def test_files_that_differ_late_are_no_copies(tmp_path: Path) -> None:
    long = b"x" * 200_000
    paths = write(tmp_path, {"a": long + b"1", "b": long + b"2", "c": long + b"1", "d": b"y" * 200_001})
    assert find_copies(paths) == {tmp_path / "c": tmp_path / "a"}


def test_what_is_empty_or_gone_is_a_copy_of_nothing(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": b"", "b": b"", "c": b"z"})
    assert find_copies([*paths, tmp_path / "gone", tmp_path / "missing", tmp_path]) == {}


def test_what_cannot_be_read_is_a_copy_of_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()  # both of one size
    assert find_copies([tmp_path / "a", tmp_path / "b"]) == {}


@given(st.lists(st.binary(min_size=1, max_size=2), max_size=12))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_remains_is_each_content_once(tmp_path: Path, contents: list[bytes]) -> None:
    paths = write(tmp_path, {f"{number:02}": content for number, content in enumerate(contents)})
    copies = find_copies(paths)
    left = [path.read_bytes() for path in paths if path not in copies]
    assert Counter(left) == Counter(set(contents))
    for copy, original in copies.items():
        assert original not in copies
        assert copy.read_bytes() == original.read_bytes()


def test_pixels_and_shape_make_the_hash() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert hash_pixels(image) == hashlib.sha256(b"(2, 4, 3)" + bytes(range(24))).hexdigest()
    assert hash_pixels(image.reshape(4, 2, 3)) != hash_pixels(image)
    assert hash_pixels(np.asfortranarray(image)) == hash_pixels(image)


def test_a_line_lists_three_pairs() -> None:
    pairs = [(f"{number}b", f"{number}a") for number in range(5)]
    assert list_pairs(pairs, "is") == "0b is 0a, 1b is 1a, 2b is 2a and 2 more"
    assert list_pairs(pairs[:3], "is like") == "0b is like 0a, 1b is like 1a, 2b is like 2a"
