from __future__ import annotations

import inspect
import re

import pytest
import softcore_runtime
from softcore_runtime import errors

EVERY = {name: getattr(errors, name) for name in errors.__all__}


def test_all_is_sorted_and_complete() -> None:
    defined = [name for name, kind in vars(errors).items() if inspect.isclass(kind)]
    assert sorted(defined) == errors.__all__ == sorted(errors.__all__)


def test_every_error_has_one_root() -> None:
    assert all(issubclass(error, errors.SoftCoreError) for error in EVERY.values())


def test_the_tree_at_the_head_of_the_file_is_the_tree() -> None:
    """Read it: an error's parent is the last one before it that stands further left."""
    path: list[tuple[int, str]] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"[ │├└─]*?([A-Z]\w+Error)\b", line):
            while path and path[-1][0] >= match.start(1):
                path.pop()
            drawn[match[1]] = path[-1][1] if path else "Exception"
            path.append((match.start(1), match[1]))
    assert drawn == {name: error.__bases__[0].__name__ for name, error in EVERY.items()}


@pytest.mark.parametrize("name", errors.__all__)
def test_exit_codes(name: str) -> None:
    assert EVERY[name].exit_code == (2 if issubclass(EVERY[name], errors.UsageError) else 3)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_offered_by_the_package(name: str) -> None:
    assert getattr(softcore_runtime, name) is EVERY[name]


def test_a_wrong_frame_is_also_a_value_error() -> None:
    assert issubclass(errors.FrameError, ValueError)


def test_a_missing_library_names_the_command_that_brings_it() -> None:
    said = str(errors.MissingLibraryError("OpenCV", "gpu"))
    assert said == "OpenCV is not installed; run: pip install 'softcore[gpu]'"
