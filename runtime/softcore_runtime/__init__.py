"""SoftCore's runtime: load a bundle, inspect frames. No torch.

>>> from softcore_runtime import Inspector
>>> inspector = Inspector.load("bundles/pill")
>>> inspector.inspect(frame).decision
<Decision.PASS: 'PASS'>
"""

# First, for it says how to install OpenCV where that is missing; the others just import it.
from softcore_runtime.pictures import read_picture

# isort: split
from softcore_runtime.bundle import Bundle, read_bundle
from softcore_runtime.errors import (
    BundleCorruptError,
    BundleError,
    BundleNotFoundError,
    BundleTooNewError,
    DataError,
    ExportError,
    FrameError,
    LedgerError,
    MissingLibraryError,
    OutputError,
    PictureError,
    ProviderError,
    SelfTestError,
    SoftCoreError,
    SourceError,
    UsageError,
)
from softcore_runtime.inspection import Bound, Decision, Inspection, Ruling
from softcore_runtime.inspector import Inspector
from softcore_runtime.manifest import Manifest
from softcore_runtime.overlay import overlay
from softcore_runtime.preprocessing import Preprocessing, Window

__all__ = [
    "Bound",
    "Bundle",
    "BundleCorruptError",
    "BundleError",
    "BundleNotFoundError",
    "BundleTooNewError",
    "DataError",
    "Decision",
    "ExportError",
    "FrameError",
    "Inspection",
    "Inspector",
    "LedgerError",
    "Manifest",
    "MissingLibraryError",
    "OutputError",
    "PictureError",
    "Preprocessing",
    "ProviderError",
    "Ruling",
    "SelfTestError",
    "SoftCoreError",
    "SourceError",
    "UsageError",
    "Window",
    "overlay",
    "read_bundle",
    "read_picture",
]
