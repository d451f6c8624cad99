"""Identity: everything beside an image that what is computed of it depends on, to the last bit."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing
from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.folders.copies import hash_pixels
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.regular_file import hash_file

__all__ = ["identify_images", "identify_network"]

# To be raised whenever the same inputs give other features, or other facts of an image.
_EDITION: Final = 1


def identify_images(preprocessing: Preprocessing) -> dict[str, object]:
    """Return what the facts of an image and its crop depend on: preprocessing, alignment and libraries.

    Example:
        >>> identify_images(Preprocessing()) == identify_images(Preprocessing(resize=300))
        False
    """
    aligner = preprocessing.aligner if isinstance(preprocessing, AlignedPreprocessing) else None
    return {
        "edition": _EDITION,
        "preprocessing": preprocessing.model_dump(mode="json"),
        "alignment": aligner and aligner.alignment.model_dump(mode="json"),
        "reference": aligner and hash_pixels(aligner.reference),
        "softcore": version("softcore"),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "processor": _name_processor(),
    }


def identify_network(file: Path, backbone: Backbone, preprocessing: Preprocessing) -> dict[str, object]:
    """Return what the features of an image depend on: its crop, the network, and what computes it.

    Args:
        file: the network's ONNX file.
        backbone: the same, opened.
        preprocessing: of the images.
    """
    return {
        "images": identify_images(preprocessing),
        "network": hash_file(file),
        "engine": backbone.engine,
        "version": backbone.version,
        "provider": backbone.provider,
        "precision": backbone.precision,
        "device": str(backbone.device),
        "threads": usable_cpus(),
    }


def _name_processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name, by which libraries choose how they compute: homes are often shared."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # another system than Linux
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return " ".join([platform.machine(), *dict.fromkeys(found)])
