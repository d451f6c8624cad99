"""Draw the recorded frames of the pill anew: `python tests/recordings/draw.py`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_export.data.procedural_pill import draw_pill

SEED = 20  # not the demo's: these parts were never trained on
ORDER = (
    "good", "crack", "good", "good", "contamination", "good", "chip", "faulty_print", "good", "colour",
    "good", "contamination",
)  # fmt: skip


def draw_frames() -> dict[str, NDArray[np.uint8]]:
    """Draw the frames, uint8 BGR [320, 320, 3], by file name."""
    return {
        f"{number:02}_{kind}.png": draw_pill(
            np.random.default_rng([SEED, number]), None if kind == "good" else kind
        )[0]
        for number, kind in enumerate(ORDER, 1)
    }


def main(folder: Path) -> None:
    """Write `pill/*.png` and `pill.avi`, the same frames as a video, without loss."""
    frames = draw_frames()
    (folder / "pill").mkdir(exist_ok=True)
    for name, frame in frames.items():
        (folder / "pill" / name).write_bytes(cv2.imencode(".png", frame)[1].tobytes())
    video = cv2.VideoWriter(str(folder / "pill.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 5, (320, 320))
    for frame in frames.values():
        video.write(frame)
    video.release()


if __name__ == "__main__":
    main(Path(__file__).parent)
