"""Devices: finds a camera's device, and which camera it is, without opening it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from softcore_runtime import SourceError

__all__ = ["find_device", "identify_device"]

_DEV = Path("/dev")
_CLASS = Path("/sys/class/video4linux")


def find_device(camera: str) -> None:
    """Check that the device of a camera's index (`0`) or path (`/dev/video0`) is there; a pipeline has none.

    Raises:
        SourceError: there is none, or this user may not open it.
    """
    path = Path(camera) if camera.startswith("/") else _DEV / f"video{camera}"
    if not (camera.startswith("/") or camera.isdecimal()) or not sys.platform.startswith("linux"):
        return
    if not path.exists():
        there = sorted(_DEV.glob("video*"), key=lambda one: (len(one.name), one.name))
        known = f"there are: {', '.join(map(str, there))}" if there else "this machine has none (/dev/video*)"
        raise SourceError(f"{camera}: no such camera ({path}); {known}")
    if not path.is_char_device():
        raise SourceError(f"{camera}: {path} is no device")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{camera}: {path} can't be opened by this user; is it in the group video?")


def identify_device(camera: int | str) -> str | None:
    """Return which camera a device is: its name, and its serial number if any; None if unknown.

    `/dev/video0` is another camera after two were plugged in again in another order.
    """
    path = _DEV / f"video{camera}" if isinstance(camera, int) or camera.isdecimal() else Path(camera)
    try:
        folder = _CLASS / path.resolve().name
        name = (folder / "name").read_text(encoding="utf-8", errors="replace").strip()
        device = (folder / "device").resolve()
    except OSError:
        return None
    for place in (device, device.parent):  # for USB the interface, and the device that has it
        with suppress(OSError):
            return f"{name}, serial number {(place / 'serial').read_text(errors='replace').strip()}"
    return name
