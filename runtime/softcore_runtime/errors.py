"""Every error that SoftCore raises on purpose.

::

    SoftCoreError                 exit code 3
    ├── UsageError                exit code 2: the request can't be fulfilled as it is
    │   ├── MissingLibraryError   a library that is not installed
    │   │   └── BrokenLibraryError    a library that is installed and can't be imported
    │   └── ProviderError         a GPU or TensorRT that can't compute here
    ├── ImageError                an image that can't be read
    ├── DataError                 training data that are not sufficient for an export
    ├── FrameError (ValueError)   a frame that can't be inspected
    │   └── AlignmentError        a frame whose part is not where it should be
    ├── SourceError               a camera, video or stream that can't be opened or has failed
    ├── LedgerError               a ledger that is damaged or can't be written
    ├── OutputError               a broker, PLC or other receiver that didn't accept a decision
    ├── ExportError               an export that failed one of its own checks
    └── BundleError
        ├── BundleNotFoundError   no bundle at this place
        ├── BundleCorruptError    changed, truncated or incomplete
        ├── BundleTooNewError     written by a later SoftCore
        ├── BundleUntrustedError  no trusted key has signed it
        └── SelfTestError         the golden frames give other scores here

Messages are one line: what is wrong, where, and what to do.
"""

from __future__ import annotations

__all__ = [
    "AlignmentError",
    "BrokenLibraryError",
    "BundleCorruptError",
    "BundleError",
    "BundleNotFoundError",
    "BundleTooNewError",
    "BundleUntrustedError",
    "DataError",
    "ExportError",
    "FrameError",
    "ImageError",
    "LedgerError",
    "MissingLibraryError",
    "OutputError",
    "ProviderError",
    "SelfTestError",
    "SoftCoreError",
    "SourceError",
    "UsageError",
]


class SoftCoreError(Exception):
    """The base of every error that SoftCore raises on purpose.

    Attributes:
        exit_code: exit code of a command.

    Example:
        >>> try:
        ...     Inspector.load("bundles/none")
        ... except SoftCoreError as error:
        ...     print(error, error.exit_code)
        bundles/none: no bundle here (manifest.json: No such file or directory) 3
    """

    exit_code = 3

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistakes, one per line; mostly one.

        Example:
            >>> SoftCoreError("bundles/pill: no bundle here").lines
            ('bundles/pill: no bundle here',)
        """
        return (str(self),)


class UsageError(SoftCoreError):
    """A request that can't be fulfilled as it is.

    Example:
        >>> revert_threshold(path)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: .../bundles/tiny: no earlier ...
    """

    exit_code = 2


class MissingLibraryError(UsageError):
    """A library that is not installed; the message names the extra of SoftCore that installs it.

    `softcore_runtime.missing_library` creates it from a failed import.

    Attributes:
        library: its usual name.
        extra: the extra that installs it; "" if every installation does, None if none does.

    Example:
        >>> raise MissingLibraryError("OpenCV", "cpu")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.MissingLibraryError: OpenCV is not installed; run: pip install 'softcore[cpu]'
    """

    def __init__(self, library: str, extra: str | None) -> None:
        self.library, self.extra = library, extra
        package = library if extra is None else f"'softcore[{extra}]'" if extra else "softcore"
        super().__init__(f"{library} is not installed; run: pip install {package}")


class BrokenLibraryError(MissingLibraryError):
    """A library that is installed and can't be imported; the message explains why, and what to do.

    Args:
        message: the message.

    Example:
        >>> raise BrokenLibraryError("OpenCV is installed, but lacks the shared library libxcb.so.1; ...")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BrokenLibraryError: OpenCV is installed, but lacks the shared library ...
    """

    def __init__(self, message: str) -> None:
        super().__init__("", None)
        self.args = (message,)


class ProviderError(UsageError):
    """A provider (a GPU, TensorRT) that can't compute here; the message explains why.

    Example:
        >>> Inspector.load(path, provider="cuda")  # where there is no GPU
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.ProviderError: provider cuda: ...
    """


class ImageError(SoftCoreError):
    """An image that can't be read as 8-bit BGR.

    Example:
        >>> read_image(path / "manifest.json")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.ImageError: ...manifest.json: not an image, or a damaged one
    """


class DataError(SoftCoreError):
    """Training data that are not sufficient for an export.

    Example:
        >>> from softcore_export.data.dataset import TrainingImages
        >>> TrainingImages.find(folder)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.DataError: .../empty: ..., at least 8 are needed ...
    """


class FrameError(SoftCoreError, ValueError):
    """A frame of a wrong type, shape or size.

    Example:
        >>> inspector.decide(frame[:, :, 0] / 255)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.FrameError: a frame must be uint8 or uint16, not float64
    """


class AlignmentError(FrameError):
    """A frame whose part is not where it should be: it can't be aligned with the bundle's reference.

    Example:
        >>> raise AlignmentError("the part is not where it should be (alignment quality 0.21, ...)")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.AlignmentError: the part is not where it should be (alignment ...)
    """


class SourceError(SoftCoreError):
    """A camera, video or stream that can't be opened, or that failed.

    Example:
        >>> from softcore_edge_app.cameras.image_source import ImageSource
        >>> ImageSource(folder)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.SourceError: .../empty: ...
    """


class LedgerError(SoftCoreError):
    """A ledger that is damaged, or that can't be opened or written.

    Example:
        >>> from softcore_edge_app.ledger.ledger import Ledger
        >>> Ledger.open(path / "manifest.json")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.LedgerError: ...manifest.json: row 1 can't be read: ...
    """


class OutputError(SoftCoreError):
    """A broker, PLC or other receiver that didn't accept a decision, and may later.

    Example:
        >>> class Siren:  # an output of your own: the line delivers the decision again later
        ...     def deliver(self, entry, following=()):
        ...         raise OutputError("siren: no answer")
        >>> Siren().deliver(entry=None)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.OutputError: siren: no answer
    """


class ExportError(SoftCoreError):
    """An export that failed one of its own checks (weights, parity, recall).

    Example:
        >>> raise ExportError("the HNSW index reaches a recall@1 of 0.970, 0.99 is needed")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.ExportError: the HNSW index reaches ...
    """


class BundleError(SoftCoreError):
    """A bundle that must not be used: the base of the five below.

    Example:
        >>> try:
        ...     Inspector.load("bundles/none")
        ... except BundleError as error:
        ...     print(type(error).__name__)
        BundleNotFoundError
    """


class BundleNotFoundError(BundleError):
    """No bundle at this place.

    Example:
        >>> read_bundle(Path("bundles/none"))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BundleNotFoundError: bundles/none: no bundle here (...)
    """


class BundleCorruptError(BundleError):
    """A bundle that was changed, truncated or is incomplete.

    Example:
        >>> _ = (path / "bank.npy").write_bytes(b"")
        >>> read_bundle(path)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BundleCorruptError: ...bank.npy: 0 bytes, the manifest says 9344; ...
    """


class BundleTooNewError(BundleError):
    """A bundle written by a later SoftCore than this one.

    Example:
        >>> parse_manifest(b'{"format_version": 99}', "manifest.json")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BundleTooNewError: manifest.json: written in bundle format 99, ...
    """


class BundleUntrustedError(BundleError):
    """A bundle that no trusted key has signed, or that was changed since.

    Example:
        >>> from softcore_runtime.signing.private_key import create_key
        >>> from softcore_runtime.signing.trust import Trust
        >>> key = create_key(folder / "export.key").public
        >>> Inspector.load(path, trust=Trust(keys=(key,)))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BundleUntrustedError: ...: the export isn't signed, ...
    """


class SelfTestError(BundleError):
    """The golden frames give other scores here than at export, or all pass at the threshold in use.

    Example:
        >>> write_golden(path, {"good": frame}, {"good": 99.0})  # scores of another machine
        >>> write_manifest(path, inspector.manifest.model_copy(update={"files": record_files(path)}))
        >>> Inspector.load(path)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.SelfTestError: ...: self-test failed: good.png scores ...
    """
