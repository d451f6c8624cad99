"""Checks: a user's mistakes that are known before the work begins, told all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from softcore_runtime.errors import SoftCoreError, UsageError

__all__ = ["MistakesError", "gather_mistakes"]

Attempt = Callable[[], contextlib.AbstractContextManager[None]]


class MistakesError(UsageError):
    """Several mistakes, a line each.

    Example:
        >>> MistakesError(["--tau 2: must be below 1", "nowhere: no such folder"]).lines
        ('--tau 2: must be below 1', 'nowhere: no such folder')
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self._mistakes = tuple(mistakes)

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistakes."""
        return self._mistakes


@contextlib.contextmanager
def gather_mistakes() -> Iterator[Attempt]:
    """Go on after a mistake to find the others, and raise them at the end of the block.

    It gives a context manager for each part of the block that may find one: what follows the mistake in
    that part is left out, the next part begins.

    Raises:
        SoftCoreError: as it was raised, where it is the only one.
        MistakesError: the lines of several.

    Example:
        >>> with gather_mistakes() as attempt:
        ...     with attempt():
        ...         raise UsageError("--tau 2: must be below 1")
        ...     with attempt():
        ...         raise BundleNotFoundError("pill: no bundle here")
        Traceback (most recent call last):
            ...
        softcore_runtime.cli.checks.MistakesError: --tau 2: must be below 1; pill: no bundle here
    """
    found: list[SoftCoreError] = []

    @contextlib.contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except SoftCoreError as error:
            found.append(error)

    yield attempt
    if len(found) == 1:
        raise found[0]
    if found:
        raise MistakesError(list(dict.fromkeys(line for error in found for line in error.lines)))
