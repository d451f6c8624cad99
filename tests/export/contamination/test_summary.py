from __future__ import annotations

import numpy as np
from softcore_export.contamination.comparison import Comparison
from softcore_export.contamination.contamination import ImageCopy, ShareEstimate
from softcore_export.contamination.estimate import ContaminationEstimate
from softcore_export.contamination.summary import summarize_contamination


def test_the_most_suspect_image_comes_first_with_what_was_done() -> None:
    share = ShareEstimate(value=0.3, low=0.1, high=0.5)
    nearest, images = np.zeros((3, 4, 1), np.float32), np.zeros((3, 4, 1), np.int32)
    comparison = Comparison(nearest, images, nearest[:, :, 0])
    estimate = ContaminationEstimate(nearest[:, :, 0], np.array([0.5, 2.0, 1.5]), share, comparison)
    kept = np.array([[True] * 4, [False] * 4, [True, False, True, True]])
    copies = (ImageCopy(path="d.png", original="a.png", alike="content"),)
    names, digests = ["a.png", "b.png", "c.png"], [f"{number:064x}" for number in range(3)]
    found = summarize_contamination(names, digests, copies, estimate, kept)
    assert [(image.path, image.suspicion, image.decision) for image in found.images] == [
        ("b.png", 2.0, "picture excluded"),
        ("c.png", 1.5, "patches excluded"),
        ("a.png", 0.5, "kept"),
    ]
    assert [image.sha256 for image in found.images] == [digests[1], digests[2], digests[0]]
    assert (found.estimate, found.copies) == (share, copies)
