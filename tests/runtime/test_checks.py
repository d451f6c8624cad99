from __future__ import annotations

from collections.abc import Callable

import pytest
from softcore_runtime.checks import MistakesError, check_all
from softcore_runtime.errors import BundleNotFoundError, SoftCoreError, UsageError


def refuse(error: SoftCoreError) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


def test_what_is_right_passes() -> None:
    check_all()
    check_all(lambda: 1, lambda: None)


def test_a_single_mistake_stays_what_it_is() -> None:
    with pytest.raises(BundleNotFoundError) as caught:
        check_all(lambda: None, refuse(BundleNotFoundError("no bundle")))
    assert caught.value.lines == ("no bundle",)
    assert caught.value.exit_code == 3


def test_several_are_told_in_their_order_and_once() -> None:
    several = refuse(MistakesError(["b", "c"]))
    with pytest.raises(MistakesError) as caught:
        check_all(refuse(UsageError("a")), several, refuse(BundleNotFoundError("d")), refuse(UsageError("a")))
    assert caught.value.lines == ("a", "b", "c", "d")
    assert str(caught.value) == "a; b; c; d"
    assert caught.value.exit_code == 2


def test_a_fault_of_ours_is_no_mistake_of_theirs() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        check_all(refuse(UsageError("a")), fail)
