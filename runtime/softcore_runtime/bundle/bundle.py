"""Bundle: reads and writes the folder that ships.

::

    manifest.json     see `softcore_runtime.bundle.manifest`
    backbone.onnx     uint8 BGR crops [B, crop, crop, 3] -> patch features [B, P, d]
    bank.npy          float32 [n, d], the coreset
    weights.npy       float32 [n], soft weights
    floors.npy        float32 [n], floors; bundles of format 3 have none
    origins.npy       int32 [n, 3], training image, row and column of each entry
    hints.npy         int32 [P, h], per grid position the entries that serve it most often
    index.hnsw        hnswlib index over the bank
    golden/           frames and the scores that they must give: the self-test
    training/         see `softcore_runtime.bundle.training`
    reference.png     what frames are aligned with, where they are; see `softcore_runtime.alignment`
    mask-*.png        the part of a frame that isn't inspected, if a calibration left one out
    engines/          not in the manifest: built for a device, see `softcore_runtime.backends.devices`
    signatures.json   not in the manifest: see `softcore_runtime.signing.signatures`
    exam/             not in the manifest: see `softcore_runtime.exam.exam`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.backends.devices import ENGINE_FOLDER
from softcore_runtime.bundle import training
from softcore_runtime.bundle.array_file import parse_array
from softcore_runtime.bundle.files import read_file, verify_file
from softcore_runtime.bundle.folder_swap import restore
from softcore_runtime.bundle.image_files import REFERENCE, read_reference
from softcore_runtime.bundle.manifest import (
    FileRecord,
    Manifest,
    describe,
    dump_manifest,
    list_seals,
    parse_manifest,
)
from softcore_runtime.bundle.network_file import find_network_fault
from softcore_runtime.bundle.sizes import check_sizes
from softcore_runtime.bundle.strict_json import parse_json
from softcore_runtime.errors import BundleCorruptError, BundleNotFoundError
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.regular_file import FileVersion, hash_file, read_regular
from softcore_runtime.signing.signatures import SIGNATURES
from softcore_runtime.signing.trust import Trust

__all__ = [
    "BACKBONE",
    "BANK",
    "EXAM_FOLDER",
    "FLOORS",
    "INDEX",
    "Bundle",
    "GoldenFrame",
    "manifest_path",
    "read_bundle",
    "read_golden",
    "read_manifest",
    "record_files",
    "write_arrays",
    "write_golden",
    "write_manifest",
]

BACKBONE = "backbone.onnx"
BANK = "bank.npy"
FLOORS = "floors.npy"
INDEX = "index.hnsw"
EXAM_FOLDER = "exam"
_MANIFEST = "manifest.json"
_ARRAYS = ("bank", "weights", "floors", "origins", "hints")
_GOLDEN = "golden"
_SCORES = f"{_GOLDEN}/scores.json"
_MANIFEST_BYTES = 2**24  # size limit of a manifest
_REQUIRED = (
    BACKBONE,
    INDEX,
    _SCORES,
    training.SCORES,
    training.THUMBNAILS,
    training.STATISTICS,
    *(f"{name}.npy" for name in _ARRAYS),
)  # FLOORS since format 4
_IN_MEMORY = {BACKBONE, _SCORES, *(f"{name}.npy" for name in _ARRAYS)}


class GoldenFrame(BaseModel):
    """A frame of the self-test.

    Attributes:
        file: its name inside `golden/`.
        score: its score at export, >= 0.

    Example:
        >>> bundle.golden[0].file
        'good.png'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: str = Field(pattern=r"^[\w.-]+$")
    score: float = Field(ge=0)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle as `read_bundle` returns it: every file is verified against the manifest.

    Attributes:
        path: the folder.
        manifest: its manifest.
        bank: float32 `[n, d]`, the memory bank, read-only.
        weights: float32 `[n]`, >= 0, the soft weight of each entry.
        floors: float32 `[n]`, >= 0, the least score that each entry gives a patch; 0 without floors.
        origins: int32 `[n, 3]`, the training image, row and column of each entry.
        hints: int32 `[P, h]`, per grid position, entries worth comparing first.
        golden: the self-test's frames and scores.
        reference: uint8 BGR `[h, w, 3]`, what frames are aligned with; None where they aren't.
        manifest_version: of the manifest's file as it was read; None if the bundle isn't on the disk yet.
        trust: the keys that its thresholds must be signed by, too; None asks for no signatures.

    Raises:
        BundleCorruptError: an array has another shape or dtype than the manifest says, holds NaN or infinity,
            a hint names no entry, there are both floors and soft weights, or frames are aligned and there is
            no reference.

    Example:
        >>> bundle = read_bundle(path)
        >>> bundle
        Bundle('.../bundles/tiny', category='tiny', threshold=12 (provisional), bank=768x3)
        >>> bundle.bank.shape, bundle.weights.dtype
        ((768, 3), dtype('float32'))
        >>> image, row, column = bundle.origins[100]  # where entry 100 is from
    """

    path: Path
    manifest: Manifest
    bank: NDArray[np.float32]
    weights: NDArray[np.float32]
    floors: NDArray[np.float32]
    origins: NDArray[np.int32]
    hints: NDArray[np.int32]
    golden: tuple[GoldenFrame, ...]
    reference: NDArray[np.uint8] | None = None
    manifest_version: FileVersion | None = None
    trust: Trust | None = None

    def __post_init__(self) -> None:
        n, dim = self.manifest.bank.n, self.manifest.bank.dim
        positions = self.manifest.grid.height * self.manifest.grid.width
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "bank": ((n, dim), np.float32),
            "weights": ((n,), np.float32),
            "floors": ((n,), np.float32),
            "origins": ((n, 3), np.int32),
            "hints": ((positions, self.manifest.hints.count), np.int32),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise BundleCorruptError(
                    f"{self.path / name}.npy: must be {np.dtype(dtype)} {list(shape)}, "
                    f"not {array.dtype} {list(array.shape)}"
                )
        # A NaN would compare as "not above the threshold", a negative weight would break the search's bound.
        if not np.isfinite(self.bank).all():
            raise BundleCorruptError(f"{self.path / 'bank'}.npy: holds NaN or infinity")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            raise BundleCorruptError(f"{self.path / 'weights'}.npy: holds NaN, infinity or a negative weight")
        if not (np.isfinite(self.floors).all() and (self.floors >= 0).all()):
            raise BundleCorruptError(f"{self.path / FLOORS}: holds NaN, infinity or a negative floor")
        if self.floors.any() and (self.weights != 1).any():
            raise BundleCorruptError(f"{self.path / FLOORS}: holds floors beside soft weights")
        if self.floors.any() and not self.manifest.bank.floor:
            raise BundleCorruptError(f"{self.path / FLOORS}: holds floors that the manifest denies")
        if self.manifest.alignment and self.reference is None:
            raise BundleCorruptError(f"{self.path / REFERENCE}: is missing, and frames are aligned with it")
        if self.hints.size and not (self.hints.min() >= 0 and self.hints.max() < n):
            raise BundleCorruptError(f"{self.path / 'hints'}.npy: names entries that the bank doesn't have")

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r}, {describe(self.manifest)})"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How a frame is brought to the network's input, with its alignment where there is one.

        Example:
            >>> bundle.preprocessing.apply(frame).shape
            (32, 32, 3)
        """
        plain, alignment = self.manifest.preprocessing, self.manifest.alignment
        if alignment is None or self.reference is None:
            return plain
        return AlignedPreprocessing.create(plain, Aligner(alignment, self.reference))

    def read_golden(self, golden: GoldenFrame) -> NDArray[np.uint8]:
        """Read one golden frame.

        Args:
            golden: one of `golden`.

        Returns:
            uint8 BGR `[H, W, 3]`.

        Raises:
            ImageError: the file was removed or changed since the bundle was read.

        Example:
            >>> bundle.read_golden(bundle.golden[0]).shape
            (48, 48, 3)
        """
        return read_image(self.path / _GOLDEN / golden.file)


def read_bundle(path: Path | str, trust: Trust | None = None) -> Bundle:
    """Read and verify a bundle.

    One that an export was just replacing when the machine stopped is restored first.

    Args:
        path: its folder.
        trust: the keys that it must be signed by; None asks for no signatures.

    Returns:
        the bundle, in memory: later changes of its files don't affect it.

    Raises:
        BundleNotFoundError: there is none at `path`.
        BundleTooNewError: a later SoftCore wrote it.
        BundleUntrustedError: no trusted key has signed it, or it was changed since.
        BundleCorruptError: a file is missing, changed, truncated, of a wrong shape or larger than the
            manifest allows; or the bank doesn't fit into this machine's memory.

    Example:
        >>> read_bundle(path).manifest.category
        'tiny'
        >>> read_bundle(Path("bundles/none"))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BundleNotFoundError: bundles/none: no bundle here (...)
    """
    path = Path(path)
    restore(path)
    manifest, manifest_version = _read_manifest(path, trust)
    check_sizes(path, manifest)
    kept = {}
    for name, record in manifest.files.items():
        if name in _IN_MEMORY:
            kept[name] = read_file(path, name, record)
        else:
            verify_file(path, name, record)
    fault = find_network_fault(kept.pop(BACKBONE))
    if fault:
        raise BundleCorruptError(f"{path / BACKBONE}: {fault}; export the bundle again")
    golden = _parse_golden(kept.pop(_SCORES), path, manifest)
    arrays = {
        name: parse_array(kept[f"{name}.npy"], path / f"{name}.npy")
        for name in _ARRAYS
        if f"{name}.npy" in manifest.files
    }
    arrays.setdefault("floors", np.zeros(manifest.bank.n, np.float32))  # format 3
    return Bundle(
        path=path,
        manifest=manifest,
        golden=golden,
        reference=read_reference(path, manifest),
        manifest_version=manifest_version,
        trust=trust,
        **arrays,
    )


def manifest_path(path: Path) -> Path:
    """Return the path of a bundle's manifest, the only file that changes, when its threshold is set.

    Example:
        >>> manifest_path(Path("bundles/pill")).as_posix()
        'bundles/pill/manifest.json'
    """
    return path / _MANIFEST


def read_manifest(path: Path, trust: Trust | None = None) -> Manifest:
    """Read a bundle's manifest, without the files that it lists.

    Args:
        path: the bundle's folder.
        trust: as for `read_bundle`.

    Raises:
        BundleError: as `read_bundle`.

    Example:
        >>> read_manifest(path).threshold
        Threshold(value=12.0, provisional=True, method='by hand')
    """
    return _read_manifest(path, trust)[0]


def _read_manifest(path: Path, trust: Trust | None) -> tuple[Manifest, FileVersion]:
    """Read a manifest, with the version of its file from before: what is written meanwhile has another."""
    file = manifest_path(path)
    try:
        data, manifest_version = read_regular(file, _MANIFEST_BYTES)
    except OSError as error:
        raise BundleNotFoundError(f"{path}: no bundle here ({_MANIFEST}: {error.strerror})") from error
    except ValueError as error:
        raise BundleNotFoundError(f"{str(path)!a}: no bundle here ({error})") from error
    manifest = parse_manifest(data, str(file))
    masks = [threshold.mask for threshold in (manifest.threshold, *manifest.history) if threshold.mask]
    reference = [REFERENCE] if manifest.alignment else []
    for name in (*_REQUIRED, *masks, *reference):
        if name not in manifest.files and not (name == FLOORS and manifest.format_version < 4):
            raise BundleCorruptError(f"{file}: does not list {name}")
    if trust:
        trust.check(path, list_seals(manifest))
    return manifest, manifest_version


def read_golden(path: Path, manifest: Manifest) -> tuple[GoldenFrame, ...]:
    """Read the scores of the golden frames without the rest of the bundle, which has them as `golden`.

    Args:
        path: the bundle's folder.
        manifest: the bundle's.

    Raises:
        BundleCorruptError: they are missing or were changed.

    Example:
        >>> [golden.file for golden in read_golden(path, read_manifest(path))]
        ['good.png', 'spoiled.png']
    """
    return _parse_golden(read_file(path, _SCORES, manifest.files[_SCORES]), path, manifest)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `bank`, `weights`, `floors`, `origins` and `hints`, each as `Bundle` has it."""
    for name in _ARRAYS:
        np.save(path / f"{name}.npy", np.ascontiguousarray(arrays[name]), allow_pickle=False)


def write_golden(path: Path, frames: Mapping[str, NDArray[np.uint8]], scores: Mapping[str, float]) -> None:
    """Write the self-test: each frame as `golden/NAME.png`, and its score."""
    folder = path / _GOLDEN
    folder.mkdir(exist_ok=True)
    golden = [GoldenFrame(file=f"{name}.png", score=scores[name]) for name in frames]
    for name, frame in frames.items():
        encoded = cv2.imencode(".png", frame)[1]
        (folder / f"{name}.png").write_bytes(encoded.tobytes())
    (path / _SCORES).write_text(json.dumps([frame.model_dump() for frame in golden], indent=2) + "\n")


def record_files(path: Path) -> dict[str, FileRecord]:
    """Return the record of every file that a manifest lists, by its name relative to `path`."""
    others = {_MANIFEST, SIGNATURES, ENGINE_FOLDER, EXAM_FOLDER}
    files = sorted(
        file for file in path.rglob("*") if file.is_file() and file.relative_to(path).parts[0] not in others
    )
    return {
        file.relative_to(path).as_posix(): FileRecord(sha256=hash_file(file), bytes=file.stat().st_size)
        for file in files
    }


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, the last file of a bundle to be written."""
    (path / _MANIFEST).write_bytes(dump_manifest(manifest))


def _parse_golden(data: bytes, path: Path, manifest: Manifest) -> tuple[GoldenFrame, ...]:
    try:
        parse_json(data)
        golden = TypeAdapter(tuple[GoldenFrame, ...]).validate_json(data, strict=True)
    except ValidationError as error:
        raise BundleCorruptError(f"{path / _SCORES}: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise BundleCorruptError(f"{path / _SCORES}: not a list of golden frames ({error})") from error
    if not golden:
        raise BundleCorruptError(f"{path / _SCORES}: names no golden frame; export the bundle again")
    for frame in golden:
        if f"{_GOLDEN}/{frame.file}" not in manifest.files:
            raise BundleCorruptError(f"{path / _GOLDEN / frame.file}: in {_SCORES}, but not in the manifest")
    return golden
