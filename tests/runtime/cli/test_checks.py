from __future__ import annotations

import pytest
from softcore_runtime.cli.checks import MistakesError, gather_mistakes
from softcore_runtime.errors import BundleNotFoundError, SoftCoreError, UsageError


def gather(*errors: Exception | None) -> None:
    with gather_mistakes() as attempt:
        for error in errors:
            with attempt():
                if error:
                    raise error


def test_what_is_right_passes() -> None:
    gather()
    gather(None, None)


def test_a_single_mistake_stays_what_it_is() -> None:
    with pytest.raises(BundleNotFoundError) as caught:
        gather(None, BundleNotFoundError("no bundle"), None)
    assert caught.value.lines == ("no bundle",)
    assert caught.value.exit_code == 3


def test_several_are_told_in_their_order_and_once() -> None:
    with pytest.raises(MistakesError) as caught:
        gather(UsageError("a"), MistakesError(["b", "c"]), None, SoftCoreError("d"), UsageError("a"))
    assert caught.value.lines == ("a", "b", "c", "d")
    assert str(caught.value) == "a; b; c; d"
    assert caught.value.exit_code == 2


def test_what_follows_a_mistake_is_left_out_up_to_the_next_attempt() -> None:
    done = []

    def work() -> None:
        with gather_mistakes() as attempt:
            with attempt():
                gather(UsageError("a"))
                done.append("never")
            with attempt():
                done.append("yet this")

    with pytest.raises(UsageError):
        work()
    assert done == ["yet this"]


def test_a_fault_of_ours_is_no_mistake_of_theirs() -> None:
    with pytest.raises(ZeroDivisionError):
        gather(UsageError("a"), ZeroDivisionError())
