"""Addresses: the texts that name a source, taken apart without opening anything."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["find_scheme", "hide_password", "is_address", "is_pipeline"]

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def find_scheme(text: str) -> str | None:
    """Return the scheme of a URL in lower case (`rtsp` of `RTSP://camera/1`); None for anything else."""
    found = _URL.match(text)
    return found and found[1].lower()


def is_pipeline(text: str) -> bool:
    """Return whether a text is a GStreamer pipeline: `gst://...`, or elements joined by ` ! `."""
    return find_scheme(text) == "gst" or " ! " in text


def is_address(text: str) -> bool:
    """Return whether a source is an address (`rtsp://...`), rather than a path or a pipeline."""
    return find_scheme(text) is not None and not is_pipeline(text)


def hide_password(url: str) -> str:
    """Return a URL without user and password, which must not reach a screen or a log."""
    try:
        authority = urlsplit(url).netloc
    except ValueError:  # malformed, such as half an IPv6 address
        authority = re.sub(r"^.*?://|/.*$", "", url)
    return url.replace(authority, authority.rpartition("@")[2], 1) if "@" in authority else url
