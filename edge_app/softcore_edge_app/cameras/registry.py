"""Registry: the kinds of sources by the scheme of their address, and the source of a camera's options.

A further kind, such as GigE Vision, is one module that makes its source, and one line in `SCHEMES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from softcore_edge_app.cameras.addresses import find_scheme, is_pipeline
from softcore_edge_app.cameras.frame_source import FrameSource
from softcore_edge_app.cameras.schemes import (
    make_csi_camera,
    make_device_camera,
    make_file_source,
    make_indexed_camera,
    make_pipeline,
    make_stream,
)
from softcore_edge_app.configuration.options import CameraOptions

__all__ = ["DEVICE", "FILE", "INDEX", "SCHEMES", "Scheme", "make_source", "register_scheme"]

# What has no scheme; no URL can have one of these, which have a space.
INDEX, DEVICE, FILE = "camera index", "camera device", "file or folder"


@dataclass(frozen=True)
class Scheme:
    """A kind of source.

    Attributes:
        make: makes a source of its address, of the camera's options, and of whether a live one must be there
            at the start (else it is waited for). Opens nothing yet. Raises UsageError or SourceError.
        camera: whether the option `camera` may name it too, and not only `source`.
    """

    make: Callable[[str, CameraOptions, bool], FrameSource]
    camera: bool = False


SCHEMES: dict[str, Scheme] = {
    INDEX: Scheme(make_indexed_camera, camera=True),
    DEVICE: Scheme(make_device_camera, camera=True),
    FILE: Scheme(make_file_source),
    "csi": Scheme(make_csi_camera, camera=True),
    "gst": Scheme(make_pipeline, camera=True),
    "http": Scheme(make_stream),
    "https": Scheme(make_stream),
    "rtsp": Scheme(make_stream),
}


def register_scheme(name: str, scheme: Scheme) -> None:
    """Add a kind of source: from then on `NAME://...` is one.

    Raises:
        ValueError: the name is taken, or can't be a URL's scheme.

    Example:
        >>> register_scheme("gige", Scheme(make_gige_camera, camera=True))
    """
    if name in SCHEMES:
        raise ValueError(f"{name}: there is such a scheme already")
    if find_scheme(f"{name}://") != name:
        raise ValueError(
            f"{name}: a scheme is a lower-case letter, and further ones, digits, '+', '-' or '.'"
        )
    SCHEMES[name] = scheme


def make_source(options: CameraOptions, *, required: bool = True) -> FrameSource:
    """Make the source that a camera's options name; opens nothing yet.

    Args:
        options: which source (`camera` or `source`), and how to treat what is live.
        required: whether what is live must be there at the start; else it is waited for.

    Raises:
        UsageError: there is no such file, folder or kind of camera; a pipeline that this OpenCV can't run; or
            a property that OpenCV doesn't know.
        SourceError: a folder without images.
    """
    if options.camera is not None:
        text = options.camera
        scheme = _find_camera_scheme(text)
    else:
        text = options.source or ""
        scheme = _find_source_scheme(text)
    return scheme.make(text, options, required)


def _find_camera_scheme(text: str) -> Scheme:
    scheme = _find_named_camera(text)
    if scheme is None and is_pipeline(text):
        return SCHEMES["gst"]
    return scheme or SCHEMES[INDEX if text.isdecimal() else DEVICE]


def _find_source_scheme(text: str) -> Scheme:
    scheme = _find_named_camera(text)
    if scheme is None and is_pipeline(text) and not _exists(text):
        return SCHEMES["gst"]
    if scheme is None and (name := find_scheme(text)):
        return SCHEMES.get(name) or Scheme(make_stream)  # FFmpeg knows more than are registered
    return scheme or SCHEMES[FILE]


def _find_named_camera(text: str) -> Scheme | None:
    """Return the scheme of a camera's address (`csi://0`); None for anything else."""
    scheme = SCHEMES.get(find_scheme(text) or "")
    return scheme if scheme and scheme.camera else None


def _exists(text: str) -> bool:
    """Return whether there is a file or folder of this name, which may hold a ` ! ` too."""
    try:
        return Path(text).exists()
    except OSError:  # too long for a name
        return False
