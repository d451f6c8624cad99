"""Stream: a camera made of ffmpeg, which serves Motion JPEG over HTTP and can show a camera's faults."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import UsageError

from softcore_benchmarks.line.rig.ports import find_free_port

__all__ = ["FAULTS", "Stream"]

FAULTS = ("dead", "frozen", "black", "corrupt")
_IMAGES = 64


class Stream:
    """An ffmpeg process that serves images in a loop, each with its own noise, as a sensor's have.

    Args:
        folder: an empty folder of its own.
        image: what is in front of the camera, uint8 BGR `[H, W, 3]`.
        rate: frames a second.

    Attributes:
        recovered_at: when it last became healthy, in seconds of the monotonic clock; 0 while it has a fault.

    Raises:
        UsageError: there is no ffmpeg.
    """

    def __init__(self, folder: Path, image: NDArray[np.uint8], rate: int) -> None:
        if not shutil.which("ffmpeg"):
            raise UsageError("there is no ffmpeg here; install Debian's")
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for number in range(_IMAGES):
            noisy = image.astype(np.int16) + rng.integers(-2, 3, image.shape)
            cv2.imwrite(str(folder / f"{number:03}.png"), np.clip(noisy, 0, 255).astype(np.uint8))
        self._port = find_free_port()
        size = f"{image.shape[1]}x{image.shape[0]}"
        every = ["-re", "-stream_loop", "-1", "-framerate", str(rate), "-i", str(folder / "%03d.png")]
        self._inputs = {
            "healthy": every,
            "frozen": ["-re", "-loop", "1", "-framerate", str(rate), "-i", str(folder / "000.png")],
            "black": ["-re", "-f", "lavfi", "-i", f"color=black:s={size}:r={rate}"],
            "corrupt": [*every, "-bsf:v", "noise=amount=80"],
        }
        self.recovered_at = 0.0
        self._state = "healthy"
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """URL that it serves."""
        return f"http://127.0.0.1:{self._port}/"

    def set_state(self, state: str) -> None:
        """Become `healthy` or one of `FAULTS`; the connection breaks."""
        self._state = state
        self.recovered_at = time.monotonic() if state == "healthy" else 0.0
        self._kill()

    def close(self) -> None:
        """Stop it."""
        self._closed = True
        self._kill()
        self._thread.join()

    def _kill(self) -> None:
        self._changed.set()
        if self._process:
            with suppress(OSError):
                self._process.kill()

    def _run(self) -> None:
        while not self._closed:
            self._changed.clear()
            if self._state == "dead":
                self._changed.wait(0.05)
                continue
            # ffmpeg serves one client and ends with it.
            command = [
                "ffmpeg", "-loglevel", "quiet", "-nostdin", *self._inputs[self._state], "-c:v", "mjpeg",
                "-q:v", "2", "-f", "mpjpeg", "-content_type", "multipart/x-mixed-replace;boundary=ffmpeg",
                "-listen", "1", self.address,
            ]  # fmt: skip
            self._process = subprocess.Popen(command)
            self._process.wait()
            time.sleep(0.02)
