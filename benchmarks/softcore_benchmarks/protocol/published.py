"""Published: the paper's own figures on MVTec AD, for comparison.

Jiang et al., "SoftPatch: Unsupervised Anomaly Detection with Noisy Data" (NeurIPS 2022), Wide ResNet-50,
noise 0.1. None where the paper has none.
"""

from __future__ import annotations

__all__ = ["AVERAGES", "MVTEC_AD", "NOISE", "SCREW", "SCREW_IMAGES"]

NOISE = 0.1
MVTEC_AD = frozenset(
    {
        *(
            "bottle",
            "cable",
            "capsule",
            "carpet",
            "grid",
            "hazelnut",
            "leather",
            "metal_nut",
            "pill",
            "screw",
        ),
        *("tile", "toothbrush", "transistor", "wood", "zipper"),
    }
)
# (image AUROC, pixel AUROC) on average over MVTec AD, by row and scenario.
AVERAGES: dict[tuple[str, str], tuple[float, float]] = {
    ("PatchCore", "no overlap"): (0.984, 0.956),
    ("SoftCore-lof", "no overlap"): (0.986, 0.979),
    ("PatchCore", "overlap"): (0.683, 0.654),
    ("SoftCore-lof", "overlap"): (0.982, 0.969),
}
# Image AUROC on MVTec AD's screw (no overlap, overlap).
SCREW: dict[str, tuple[float | None, float | None]] = {
    "PatchCore": (0.966, 0.710),
    "PatchCore-1 %-random": (None, 0.462),
    "PaDiM": (0.838, None),
    "CFLOW": (0.784, 0.570),
    "SoftCore-nearest": (0.862, None),
    "SoftCore-gaussian": (0.475, None),
    "SoftCore-lof": (0.960, 0.923),
}
SCREW_IMAGES = (320, 41, 119)  # training, good and bad test images of that screw
