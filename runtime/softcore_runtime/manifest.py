"""Manifest: `manifest.json`, the page of a bundle that says what is in it and how it was made."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from softcore_runtime.errors import BundleCorruptError, BundleTooNewError
from softcore_runtime.preprocessing import Preprocessing

__all__ = [
    "FORMAT_VERSION",
    "Backbone",
    "Bank",
    "Dataset",
    "FileRecord",
    "Grid",
    "IndexRecord",
    "Manifest",
    "Parity",
    "Threshold",
    "dump_manifest",
    "parse_manifest",
]

FORMAT_VERSION: Final = 1

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_UNSEALED = "0" * 64


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Backbone(_Record):
    """The network in `backbone.onnx`; `weights_sha256` is None where it has no weights file."""

    name: str
    layers: tuple[str, ...]
    weights_sha256: Sha256 | None


class Grid(_Record):
    """The feature grid: P = height * width positions."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)


class Bank(_Record):
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


class IndexRecord(_Record):
    """The HNSW index in `index.hnsw`; `recall` is recall@1 on held-back patches at `ef_search`."""

    m: int = Field(gt=0)
    ef_construction: int = Field(gt=0)
    ef_search: int = Field(gt=0)
    recall: float = Field(ge=0, le=1)


class Parity(_Record):
    """How far ONNX Runtime's features lie from torch's on real frames, at export."""

    max_abs: float = Field(ge=0)
    max_relative: float = Field(ge=0)
    frames: int = Field(gt=0)


class Threshold(_Record):
    """The limit: a score above `value` is a FAIL. `provisional` until it has been calibrated."""

    value: float = Field(gt=0)
    provisional: bool
    method: str


class Dataset(_Record):
    """What the bundle was trained on; `fingerprint` is over the pictures' names and contents."""

    pictures: int = Field(gt=0)
    skipped: int = Field(ge=0)
    fingerprint: Sha256


class FileRecord(_Record):
    """A file of the bundle as it was written."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class Manifest(_Record):
    """All of `manifest.json` but its seal."""

    format_version: Literal[1] = FORMAT_VERSION
    category: str = Field(min_length=1)
    created: datetime
    tools: dict[str, str]
    preprocessing: Preprocessing
    backbone: Backbone
    grid: Grid
    bank: Bank
    index: IndexRecord
    parity: Parity
    threshold: Threshold
    dataset: Dataset
    files: dict[str, FileRecord]


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
