"""SoftCore's runtime: load a bundle, inspect frames. No torch.

Example:
    >>> from softcore_runtime import Inspector, overlay
    >>> inspector = Inspector.load(path)  # the folder of a bundle
    >>> inspector.decide(frame)  # uint8 BGR [H, W, 3]: PASS or FAIL, as soon as that is certain
    InspectionResult(PASS, score<=..., <=0... x threshold, ... ms)
    >>> result = inspector.inspect(bad_frame)  # with the exact score and the anomaly map
    >>> result
    InspectionResult(FAIL, score=..., ... x threshold, map 32x32, ... ms)
    >>> image = overlay(bad_frame, result)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from softcore_runtime.missing_library import explain_import, is_of_library

# ONNX Runtime would store an id of the device in the home folder and send events; SoftCore sends nothing.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from softcore_runtime.alignment.alignment import Registration
    from softcore_runtime.bundle.bundle import Bundle, read_bundle
    from softcore_runtime.bundle.manifest import Manifest
    from softcore_runtime.decision import Bound, Decision
    from softcore_runtime.errors import (
        AlignmentError,
        BrokenLibraryError,
        BundleCorruptError,
        BundleError,
        BundleNotFoundError,
        BundleTooNewError,
        BundleUntrustedError,
        DataError,
        ExportError,
        FrameError,
        ImageError,
        LedgerError,
        MissingLibraryError,
        OutputError,
        ProviderError,
        SelfTestError,
        SoftCoreError,
        SourceError,
        UsageError,
    )
    from softcore_runtime.images.image_file import read_image
    from softcore_runtime.images.preprocessing import Preprocessing, Window
    from softcore_runtime.inspection.inspector import Inspector
    from softcore_runtime.inspection.overlays import overlay
    from softcore_runtime.inspection.result import InspectionResult

__all__ = [
    "AlignmentError",
    "Bound",
    "BrokenLibraryError",
    "Bundle",
    "BundleCorruptError",
    "BundleError",
    "BundleNotFoundError",
    "BundleTooNewError",
    "BundleUntrustedError",
    "DataError",
    "Decision",
    "ExportError",
    "FrameError",
    "ImageError",
    "InspectionResult",
    "Inspector",
    "LedgerError",
    "Manifest",
    "MissingLibraryError",
    "OutputError",
    "Preprocessing",
    "ProviderError",
    "Registration",
    "SelfTestError",
    "SoftCoreError",
    "SourceError",
    "UsageError",
    "Window",
    "overlay",
    "read_bundle",
    "read_image",
]

# The module of each name, which is imported when the name is first used: the commands must be able to report
# in one line that OpenCV isn't installed, and reading a manifest needs no engine.
_HOMES = {
    "AlignmentError": "errors",
    "Bound": "decision",
    "BrokenLibraryError": "errors",
    "Bundle": "bundle.bundle",
    "BundleCorruptError": "errors",
    "BundleError": "errors",
    "BundleNotFoundError": "errors",
    "BundleTooNewError": "errors",
    "BundleUntrustedError": "errors",
    "DataError": "errors",
    "Decision": "decision",
    "ExportError": "errors",
    "FrameError": "errors",
    "InspectionResult": "inspection.result",
    "Inspector": "inspection.inspector",
    "LedgerError": "errors",
    "Manifest": "bundle.manifest",
    "MissingLibraryError": "errors",
    "OutputError": "errors",
    "ImageError": "errors",
    "Preprocessing": "images.preprocessing",
    "ProviderError": "errors",
    "Registration": "alignment.alignment",
    "SelfTestError": "errors",
    "SoftCoreError": "errors",
    "SourceError": "errors",
    "UsageError": "errors",
    "Window": "images.preprocessing",
    "overlay": "inspection.overlays",
    "read_bundle": "bundle.bundle",
    "read_image": "images.image_file",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOMES[name]}")
    except (ImportError, OSError) as error:
        if is_of_library(error):
            raise explain_import(error, "cpu") from error
        raise
    found: object = getattr(home, name)
    globals()[name] = found  # imported once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
