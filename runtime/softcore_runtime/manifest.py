"""Manifest: `manifest.json`, the page of a bundle that says what is in it and how it was made."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final, Literal

from pydantic import Field, ValidationError

from softcore_runtime.engine import Engine, Precision, Provider
from softcore_runtime.errors import BundleCorruptError, BundleTooNewError
from softcore_runtime.preprocessing import Preprocessing
from softcore_runtime.record import Record, Sha256
from softcore_runtime.threshold import Threshold

__all__ = [
    "FORMAT_VERSION",
    "Agreement",
    "Backbone",
    "Bank",
    "Dataset",
    "FileRecord",
    "Grid",
    "HintsRecord",
    "IndexRecord",
    "Manifest",
    "Parity",
    "dump_manifest",
    "parse_manifest",
]

FORMAT_VERSION: Final = 3

_UNSEALED = "0" * 64


class Backbone(Record):
    """The network in `backbone.onnx`; `weights_sha256` is None where it has no weights file.

    The bank's features were computed by `engine` on `provider` in `precision`.
    """

    name: str
    layers: tuple[str, ...]
    weights_sha256: Sha256 | None
    engine: Engine
    provider: Provider = "cpu"  # as all were before this was written down
    precision: Precision


class Grid(Record):
    """The feature grid: P = height * width positions."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)


class Bank(Record):
    """The memory bank in `bank.npy` `[n, d]` and how it was drawn (DESIGN section 4)."""

    n: int = Field(gt=0)
    dim: int = Field(gt=0)
    discriminator: str
    tau: float = Field(ge=0, lt=1)
    k: int = Field(gt=0)
    ratio: float = Field(gt=0, le=1)
    sampler: str
    soft_weights: bool
    weight_max: float = Field(ge=0)
    seed: int


class IndexRecord(Record):
    """The HNSW index in `index.hnsw`; `recall` is recall@1 on held-back patches at `ef_search`."""

    m: int = Field(gt=0)
    ef_construction: int = Field(gt=0)
    ef_search: int = Field(gt=0)
    recall: float = Field(ge=0, le=1)


class HintsRecord(Record):
    """The `count` hints a position in `hints.npy`.

    `left_open` is the mean number of patches of a frame that these hints can't rule out to be the frame's
    highest, with hints learned from one half of the training pictures and tried on the other.
    """

    count: int = Field(gt=0)
    left_open: float = Field(ge=0)


class Parity(Record):
    """How far the features of `backbone.onnx` lie from torch's on real frames, at export, both in FP32."""

    max_abs: float = Field(ge=0)
    max_relative: float = Field(ge=0)
    frames: int = Field(gt=0)


class Agreement(Record):
    """Decisions on held-back training pictures, against the same network in FP32 with all its dimensions.

    `flipped` of `held_back` are others. The image AUROCs are of `labelled` pictures, where any were given.
    """

    held_back: int = Field(ge=0)
    flipped: int = Field(ge=0)
    labelled: int = Field(ge=0)
    auroc: float | None = Field(ge=0, le=1)
    auroc_fp32: float | None = Field(ge=0, le=1)


class Dataset(Record):
    """What the bundle was trained on; `fingerprint` is over the pictures' names and contents."""

    pictures: int = Field(gt=0)
    skipped: int = Field(ge=0)
    fingerprint: Sha256


class FileRecord(Record):
    """A file of the bundle as it was written."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class Manifest(Record):
    """All of `manifest.json` but its seal; `history` are the limits before `threshold`, the oldest first."""

    format_version: Literal[3] = FORMAT_VERSION
    category: str = Field(min_length=1)
    created: datetime
    tools: dict[str, str]
    preprocessing: Preprocessing
    backbone: Backbone
    grid: Grid
    bank: Bank
    index: IndexRecord
    hints: HintsRecord
    parity: Parity
    agreement: Agreement | None
    threshold: Threshold
    history: tuple[Threshold, ...]
    dataset: Dataset
    files: dict[str, FileRecord]

    def same_export(self, other: Manifest) -> bool:
        """Tell whether all but the limit is the same: the numbers in it then mean the same, too."""
        without = {"threshold": other.threshold, "history": (), "files": _exported_files(other)}
        mine = {**without, "files": _exported_files(self)}
        return self.model_copy(update=mine) == other.model_copy(update=without)


def _exported_files(manifest: Manifest) -> dict[str, FileRecord]:
    return {name: record for name, record in manifest.files.items() if not name.startswith("mask-")}


def dump_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as sealed JSON.

    The seal is the SHA-256 of the document itself with 64 zeros in the seal's place, so that a changed
    byte in the manifest (a limit, say) is found like one in any other file.
    """
    document = {"seal": _UNSEALED, **manifest.model_dump(mode="json")}
    unsealed = (json.dumps(document, indent=2) + "\n").encode()
    seal = hashlib.sha256(unsealed).hexdigest()
    return unsealed.replace(_UNSEALED.encode(), seal.encode(), 1)


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Read a sealed manifest; `where` names it in messages.

    Raises:
        BundleTooNewError: its `format_version` is later than this SoftCore's.
        BundleCorruptError: it is not JSON, its seal is broken, or a field is wrong.
    """
    try:
        document = json.loads(data)
        version, seal = document.get("format_version"), document.pop("seal", None)
    except (AttributeError, RecursionError, ValueError) as error:  # no object, too deep, no JSON
        raise BundleCorruptError(f"{where}: not a SoftCore manifest ({error})") from error
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleTooNewError(
            f"{where}: written in bundle format {version}, this SoftCore reads up to {FORMAT_VERSION}; "
            "upgrade softcore on this machine, or export again with its version"
        )
    if isinstance(version, int) and version < FORMAT_VERSION:
        raise BundleCorruptError(
            f"{where}: written in bundle format {version}, this SoftCore reads {FORMAT_VERSION}; "
            "export the bundle again"
        )
    if not isinstance(seal, str) or len(seal) != len(_UNSEALED) or not seal.isascii():
        raise BundleCorruptError(f"{where}: the seal is missing; export the bundle again")
    if hashlib.sha256(data.replace(seal.encode(), _UNSEALED.encode(), 1)).hexdigest() != seal:
        raise BundleCorruptError(
            f"{where}: changed since it was written; limits are set with softcore-calibrate, not by hand"
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleCorruptError(f"{where}: {place}: {first['msg']}") from error
