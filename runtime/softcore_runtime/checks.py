"""Checks: a user's mistakes that are known before the work begins, told all at once."""

from __future__ import annotations

from collections.abc import Callable

from softcore_runtime.errors import SoftCoreError, UsageError

__all__ = ["MistakesError", "check_all"]


class MistakesError(UsageError):
    """Several mistakes, a line each.

    Example:
        >>> MistakesError(["--tau: must be ...", "--backbone: ..."]).lines
        ('--tau: must be ...', '--backbone: ...')
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self._mistakes = tuple(mistakes)

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistakes."""
        return self._mistakes


def check_all(*checks: Callable[[], object]) -> None:
    """Make every check, and raise what they raised as one error.

    Args:
        checks: each raises a `SoftCoreError` where something is wrong.

    Raises:
        SoftCoreError: as it was raised, where it is the only one.
        MistakesError: the lines of several.

    Example:
        >>> def refuse() -> None:
        ...     raise UsageError("--tau: must be below 1")
        >>> check_all(lambda: None, refuse)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: --tau: must be below 1
    """
    found: list[SoftCoreError] = []
    for check in checks:
        try:
            check()
        except SoftCoreError as error:  # noqa: PERF203
            found.append(error)
    if len(found) == 1:
        raise found[0]
    if found:
        raise MistakesError(list(dict.fromkeys(line for error in found for line in error.lines)))
