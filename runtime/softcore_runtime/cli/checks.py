"""Checks: mistakes of the user that are found before the work begins, reported all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from softcore_runtime.errors import SoftCoreError, UsageError

__all__ = ["MistakesError", "gather_mistakes"]

Attempt = Callable[[], contextlib.AbstractContextManager[None]]


class MistakesError(UsageError):
    """Several mistakes, a line for each.

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
    """Continue after a mistake to find the others, and raise all of them at the end of the block.

    Yields a function that returns a context manager for a part of the block: a mistake ends that part, and
    the next one begins.

    Raises:
        SoftCoreError: as it was raised, if it is the only one.
        MistakesError: there are several; it has the lines of all.

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
