"""Procedural pill: draws a category to try SoftCore on, with defects among its training images.

An image is drawn as a camera would take it: the layers of the tablet (height, outline, colour, ink, gloss,
dirt) in its own frame, lit from one side, blurred by the lens, with the sensor's noise. A defect changes the
layers, never the light or the noise. A good and a bad part therefore differ by the defect alone, and the mask
is exact: it covers the pixels in which the two noise-free images differ visibly.

Lengths are in *units*: a 320th of the image's side, so one pixel at the usual size.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import UsageError

from softcore_export.data.pill.defects import DRAW_DEFECT
from softcore_export.data.pill.light import expose, make_light
from softcore_export.data.pill.planes import draw_noise
from softcore_export.data.pill.tablet import make_tablet

__all__ = ["DEFECTS", "draw_category", "draw_pill"]

DEFECTS: tuple[str, ...] = tuple(DRAW_DEFECT)

_SMALLEST = 64  # pixels of a side; below, the imprint is narrower than a pixel
_VISIBLE = 2.5  # grey levels, twice the sensor's noise: a larger change is part of the mask


def draw_pill(
    rng: np.random.Generator, defect: str | None = None, size: int = 320
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one image of the pill.

    Good parts vary in pose, tint, coating speckle, imprint (place, turn, density) and light. These and the
    noise come from one random stream, and the defect from another: the same generator draws the same part
    with and without its defect, equal at every pixel outside the mask.

    Args:
        rng: source of every random choice; two numbers are drawn from it.
        defect: one of `DEFECTS`, or None for a good part.
        size: side of the image in pixels, at least 64.

    Returns:
        The image, uint8 BGR `[size, size, 3]`, and the defect's mask, uint8 `[size, size]`, 255 where
        the defect shows, 0 elsewhere (everywhere, on a good part).

    Raises:
        UsageError: no such defect, or too small a size.
    """
    if defect is not None and defect not in DRAW_DEFECT:
        raise UsageError(f"no defect {defect!r}: it must be one of {', '.join(DEFECTS)}")
    if size < _SMALLEST:
        raise UsageError(f"a pill of {size} pixels is too small: at least {_SMALLEST}")
    nominal, flaw = (np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 2))
    tablet = make_tablet(nominal, size)
    light = make_light(nominal, tablet)
    scene = expose(tablet, light)
    mask = np.zeros((size, size), np.uint8)
    if defect is not None:
        flawed = expose(DRAW_DEFECT[defect](tablet, flaw), light)
        seen = np.abs(flawed - scene).max(axis=2) > _VISIBLE
        # Closed, because a defect whose brightness crosses that of its surroundings is one defect.
        closed = cv2.morphologyEx(seen.astype(np.uint8) * 255, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        mask = np.asarray(cv2.dilate(closed, np.ones((3, 3), np.uint8)), dtype=np.uint8)
        scene[mask > 0] = flawed[mask > 0]
    grain = (
        1.0 * draw_noise(nominal, size)[:, :, None]
    )  # mostly of brightness, as after a camera's debayering
    colour_grain = 0.6 * nominal.standard_normal((size, size, 3), np.float32)
    image = np.clip(np.rint(scene + grain + colour_grain), 0, 255).astype(np.uint8)
    return image, mask


def draw_category(
    folder: Path,
    *,
    seed: int = 0,
    good: int = 90,
    unnoticed: int = 5,
    test_good: int = 20,
    test_each: int = 6,
) -> None:
    """Draw the whole category in MVTec AD's layout, images of 320 pixels as PNG.

    `train/good` holds `good` good parts and `unnoticed` defective ones at random places, which `README.txt`
    names. Every image has its own generator (seed, kind, number), so the count of one kind doesn't change the
    images of the others.

    Args:
        folder: created when all images are drawn; an interrupted drawing leaves nothing behind.
        seed: of all random choices, >= 0.
        good: good training images.
        unnoticed: defective training images, of each defect in turn.
        test_good: good test images.
        test_each: test images of each defect, with their masks in `ground_truth`.

    Raises:
        UsageError: the folder exists already, or a number is negative.
    """
    if min(seed, good, unnoticed, test_good, test_each) < 0:
        raise UsageError("the seed and the numbers of images must not be negative")
    if folder.exists():
        raise UsageError(f"{folder}: is there already; remove it to draw the pill anew")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draft.chmod(0o755)  # mkdtemp permits only the owner
        _write_training(draft, seed, good, unnoticed)
        for i in range(test_good):
            _write(draft / "test/good" / f"{i:03}.png", draw_pill(_generator(seed, "test", i))[0])
        for defect in DEFECTS:
            for i in range(test_each):
                image, mask = draw_pill(_generator(seed, f"test {defect}", i), defect)
                _write(draft / "test" / defect / f"{i:03}.png", image)
                _write(draft / "ground_truth" / defect / f"{i:03}_mask.png", mask)
        draft.rename(folder)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_training(folder: Path, seed: int, good: int, unnoticed: int) -> None:
    total = good + unnoticed
    shuffle = _generator(seed, "places", 0)
    places = sorted(shuffle.permutation(total)[:unnoticed].tolist())
    order = shuffle.permutation(len(DEFECTS))
    flawed = {place: DEFECTS[order[i % len(order)]] for i, place in enumerate(places)}
    drawn = {"train": 0, "unnoticed": 0}
    for i in range(total):
        kind = "unnoticed" if i in flawed else "train"
        image, _ = draw_pill(_generator(seed, kind, drawn[kind]), flawed.get(i))
        drawn[kind] += 1
        _write(folder / "train/good" / f"{i:03}.png", image)
    lines = [f"train/good/{place:03}.png  {defect}" for place, defect in flawed.items()]
    (folder / "README.txt").write_text(
        f"A pill drawn by SoftCore (seed {seed}); no photograph, free to use.\n\n"
        "The training images are not clean, on purpose. These show a defect:\n\n"
        + "".join(f"{line}\n" for line in lines or ["none"])
    )


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _generator(seed: int, kind: str, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number, *kind.encode()])
