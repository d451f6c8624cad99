"""Every error that SoftCore raises on purpose.

::

    SoftCoreError                 exit code 3
    ├── UsageError                exit code 2: what was asked can't be done as asked
    │   ├── MissingLibraryError   a library of an extra is not installed
    │   └── ProviderError         a GPU or TensorRT that can't compute here
    ├── PictureError              a picture that can't be read
    ├── DataError                 training data that can't carry an export
    ├── FrameError (ValueError)   a frame that can't be inspected
    ├── SourceError               a camera, video or stream that can't be opened or has failed
    ├── LedgerError               a ledger that is damaged or can't be written
    ├── OutputError               a broker, PLC or other receiver that didn't take a decision
    ├── ExportError               an export that failed one of its own gates
    └── BundleError
        ├── BundleNotFoundError   no bundle at this place
        ├── BundleCorruptError    changed, truncated or incomplete
        ├── BundleTooNewError     written by a later SoftCore
        └── SelfTestError         the golden frames give other scores here

Messages are one line: what is wrong, where, and what to do.
"""

from __future__ import annotations

__all__ = [
    "BundleCorruptError",
    "BundleError",
    "BundleNotFoundError",
    "BundleTooNewError",
    "DataError",
    "ExportError",
    "FrameError",
    "LedgerError",
    "MissingLibraryError",
    "OutputError",
    "PictureError",
    "ProviderError",
    "SelfTestError",
    "SoftCoreError",
    "SourceError",
    "UsageError",
]


class SoftCoreError(Exception):
    """The root: catch this to catch everything SoftCore raises on purpose."""

    exit_code = 3

    @property
    def lines(self) -> tuple[str, ...]:
        """What is wrong, each thing a line of its own; mostly one."""
        return (str(self),)


class UsageError(SoftCoreError):
    """What was asked for can't be done as it was asked."""

    exit_code = 2


class MissingLibraryError(UsageError):
    """A library that an extra brings is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; run: pip install 'softcore[{extra}]'")


class ProviderError(UsageError):
    """A part of an engine (a GPU, TensorRT) that can't compute here; the message says why."""


class PictureError(SoftCoreError):
    """A picture that can't be read as 8-bit BGR."""


class DataError(SoftCoreError):
    """Training data that can't carry an export."""


class FrameError(SoftCoreError, ValueError):
    """A frame of a wrong type, shape or size."""


class SourceError(SoftCoreError):
    """A camera, video or stream that can't be opened, or that failed."""


class LedgerError(SoftCoreError):
    """A ledger that is damaged, or that can't be opened or written."""


class OutputError(SoftCoreError):
    """A broker, PLC or other receiver that didn't take a decision, and may later."""


class ExportError(SoftCoreError):
    """An export that failed one of its own gates (weights, parity, recall)."""


class BundleError(SoftCoreError):
    """A bundle that must not be used."""


class BundleNotFoundError(BundleError):
    """No bundle at this place."""


class BundleCorruptError(BundleError):
    """A bundle that was changed, truncated or is incomplete."""


class BundleTooNewError(BundleError):
    """A bundle written by a later SoftCore than this one."""


class SelfTestError(BundleError):
    """The golden frames give other scores here than at export."""
