"""Source choice: from `--camera` or `--source` to what gives the frames."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from softcore_runtime import UsageError

from softcore_edge_app.capture import Capture
from softcore_edge_app.sources import Pictures, Source, is_picture

__all__ = ["choose_camera", "choose_source", "hide_password"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def choose_camera(text: str) -> Source:
    """Take a camera by its index (`0`) or its device (`/dev/video0`); opens nothing yet.

    Raises:
        UsageError: `text` is neither.
    """
    if text.isdecimal():
        return Capture(int(text), f"camera {int(text)}", "camera")
    if "/" not in text or _URL.match(text) or Path(text).is_file():
        raise UsageError(
            f"--camera {hide_password(text)}: takes an index (0) or a device (/dev/video0); "
            "files and addresses go to --source"
        )
    return Capture(text, text, "camera")


def choose_source(text: str) -> Source:
    """Take a picture, a folder of pictures, a video file or a URL; reads nothing yet.

    Raises:
        UsageError: there is nothing at this path, or no file or folder.
        SourceError: a folder without pictures.
    """
    if _URL.match(text):
        return Capture(text, hide_password(text), "stream")
    path = Path(text)
    if not text:  # a variable that is not set, in a script; Path would take it for the working folder
        raise UsageError("--source: needs a file, a folder or an address, not ''")
    if path.is_dir():
        return Pictures(path)
    if not path.exists():
        raise UsageError(f"--source {text}: no such file or folder")
    if not path.is_file():
        raise UsageError(f"--source {text}: neither a file nor a folder; cameras go to --camera")
    return Pictures(path) if is_picture(path) else Capture(text, path.name, "video")


def hide_password(url: str) -> str:
    """Drop user and password from a URL, which must not reach a screen or a log."""
    try:
        authority = urlsplit(url).netloc
    except ValueError:  # malformed, say half an IPv6 address: nothing to take apart
        authority = re.sub(r"^.*?://|/.*$", "", url)
    return url.replace(authority, authority.rpartition("@")[2], 1) if "@" in authority else url
