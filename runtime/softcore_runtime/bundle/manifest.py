"""Manifest: `manifest.json`, which lists the files of a bundle and how they were made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from softcore_runtime.alignment.alignment import Alignment
from softcore_runtime.backends.engine import Engine, Precision, Provider
from softcore_runtime.bundle.strict_json import parse_json
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import BundleCorruptError, BundleTooNewError
from softcore_runtime.images.compression_statistics import CompressionStatistics
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.record import Record, Sha256
from softcore_runtime.signing.signatures import Role

__all__ = [
    "EARLIEST_VERSION",
    "FORMAT_VERSION",
    "Agreement",
    "BackboneRecord",
    "BankRecord",
    "DatasetRecord",
    "FileRecord",
    "Grid",
    "HintsRecord",
    "IndexRecord",
    "Manifest",
    "Parity",
    "describe",
    "dump_manifest",
    "list_seals",
    "parse_manifest",
    "seal_of",
]

FORMAT_VERSION: Final = 5
EARLIEST_VERSION: Final = 3
# Fields that a format added, by the part of the manifest. An earlier manifest is written as it was read.
_ADDED: dict[int, dict[str, set[str]]] = {
    4: {"bank": {"floor", "evidence"}},
    5: {"preprocessing": {"windows"}},
}
_ADDED_PARTS: dict[int, set[str]] = {5: {"alignment"}}  # of the manifest itself
_UNSEALED = "0" * 64
_NAME = re.compile(r"[\w][\w. -]*(/[\w][\w. -]*)*", re.ASCII)  # of a file, below the bundle's folder


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > 200 or ".." in name:
        raise ValueError(f"{name[:80]!a} can't be the name of a file of a bundle")
    return name


FileName = Annotated[str, AfterValidator(_check_name)]


class BackboneRecord(Record):
    """The network in `backbone.onnx`, and the engine that computed the memory bank's features."""

    name: str = Field(description="the network's name, as for `softcore-export --backbone`")
    layers: tuple[str, ...] = Field(description="the layers whose features are taken")
    weights_sha256: Sha256 | None = Field(
        description="SHA-256 of the weights file; null where the network has none"
    )
    engine: Engine = Field(description="what ran the network")
    provider: Provider = Field(  # the default is for manifests that were written without it
        default="cpu", description="what it computed on"
    )
    precision: Precision = Field(description="what it computed in")


class Grid(Record):
    """The feature grid: P = height * width positions."""

    height: int = Field(gt=0, le=4096, description="rows of the grid")
    width: int = Field(gt=0, le=4096, description="columns of the grid")


class BankRecord(Record):
    """The memory bank in `bank.npy` `[n, d]` and how it was drawn (`docs/explanation/method.md`)."""

    n: int = Field(gt=0, lt=2**31, description="number of entries")
    dim: int = Field(gt=0, le=2**16, description="number of features of each entry, d")
    discriminator: str = Field(description="what judged the patches")
    tau: float = Field(ge=0, lt=1, description="share of all patches that was left out")
    k: int = Field(gt=0, description="neighbours that `lof` looked at")
    ratio: float = Field(gt=0, le=1, description="coreset ratio: share of all patches that was asked for")
    sampler: str = Field(description="how the coreset was drawn: `greedy` or `random`")
    soft_weights: bool = Field(description="whether outlier factors weigh the distances")
    weight_max: float = Field(ge=0, description="the largest soft weight W, which bounds every score")
    floor: float = Field(
        default=0,
        ge=0,
        description="factor of the floors, lambda: an entry gives no score below lambda times its distance "
        "to the nearest patches of other training images; 0 without floors",
    )
    evidence: float = Field(
        default=0,
        ge=0,
        le=1,
        description="evidence of defects among the training images: at 0 a floor follows from the nearest "
        "other image, at 1 from the third",
    )
    seed: int = Field(description="seed of every random choice")


class IndexRecord(Record):
    """The HNSW index in `index.hnsw`. It affects the time of a decision, never the decision."""

    m: int = Field(gt=0, le=1000, description="links of each entry, hnswlib's M")
    ef_construction: int = Field(gt=0, le=10**6, description="hnswlib's ef while the index was built")
    ef_search: int = Field(gt=0, le=10**6, description="hnswlib's ef for a search")
    recall: float = Field(ge=0, le=1, description="recall@1 on held-back patches at `ef_search`")


class HintsRecord(Record):
    """The hints in `hints.npy`."""

    count: int = Field(gt=0, le=4096, description="number of hints at each grid position")
    left_open: float = Field(
        ge=0,
        description="mean number of patches of a frame that these hints can't rule out to be the frame's "
        "highest, with hints learned from one half of the training images and tried on the other",
    )


class Parity(Record):
    """Differences of the features of `backbone.onnx` and of torch, on real frames at export, in FP32."""

    max_abs: float = Field(ge=0, description="the largest absolute difference of a feature")
    max_relative: float = Field(ge=0, description="the largest difference relative to the largest feature")
    frames: int = Field(gt=0, description="number of frames compared")


class Agreement(Record):
    """Decisions on held-back training images, compared with the same network in FP32 with all dimensions."""

    held_back: int = Field(ge=0, description="number of held-back training images")
    flipped: int = Field(ge=0, description="how many of them are decided otherwise than in FP32")
    labelled: int = Field(ge=0, description="number of labelled images, 0 where none were given")
    auroc: float | None = Field(ge=0, le=1, description="image AUROC on the labelled images as shipped")
    auroc_fp32: float | None = Field(ge=0, le=1, description="image AUROC on the labelled images in FP32")


class DatasetRecord(Record):
    """The training images of the bundle."""

    images: int = Field(alias="pictures", gt=0, description="number of training images")
    skipped: int = Field(ge=0, description="number of images that could not be read and were left out")
    fingerprint: Sha256 = Field(description="SHA-256 over the images' names and contents")
    traces: CompressionStatistics | None = Field(
        default=None, description="how the images were compressed; null where none was large enough to tell"
    )


class FileRecord(Record):
    """A file of the bundle as it was written."""

    sha256: Sha256 = Field(description="SHA-256 of the content, in hex")
    bytes: int = Field(ge=0, description="size")


class Manifest(Record):
    """The content of `manifest.json` without its seal.

    Example:
        >>> manifest = inspector.manifest
        >>> manifest
        Manifest(category='tiny', threshold=12.0, provisional=True, network='cell means', bank='768x3', ...)
        >>> manifest.preprocessing
        Preprocessing(resize=36, crop=32)
        >>> manifest.dataset.images, manifest.bank.dim
        (12, 3)
    """

    format_version: Literal[3, 4, 5] = Field(
        default=FORMAT_VERSION, description="version of the bundle's format"
    )
    category: str = Field(min_length=1, description="name of the product")
    created: datetime = Field(description="when it was exported")
    tools: dict[str, str] = Field(description="the libraries that made it, each with its version")
    preprocessing: Preprocessing = Field(description="how a frame is brought to the network's input")
    alignment: Alignment | None = Field(
        default=None,
        description="how frames are aligned with `reference.png` before that; null where they aren't",
    )
    backbone: BackboneRecord = Field(description="the network")
    grid: Grid = Field(description="the grid of patches")
    bank: BankRecord = Field(description="the memory bank")
    index: IndexRecord = Field(description="the HNSW index")
    hints: HintsRecord = Field(description="the hints")
    parity: Parity = Field(description="`backbone.onnx` compared with torch")
    agreement: Agreement | None = Field(
        description="what precision and dimensions cost; null for FP32 with all dimensions"
    )
    threshold: Threshold = Field(description="the threshold that holds")
    history: tuple[Threshold, ...] = Field(description="the thresholds before it, the oldest first")
    golden_note: str | None = Field(
        default=None,
        max_length=1000,
        description="why no golden frame fails at the threshold that the export set; null where one does",
    )
    dataset: DatasetRecord = Field(description="the training images")
    files: dict[FileName, FileRecord] = Field(
        max_length=10_000, description="every other file of the bundle, by its relative path"
    )

    @model_validator(mode="after")
    def _check_format(self) -> Manifest:
        if later := sorted(_find_later_parts(self.format_version) & self.model_fields_set):
            raise ValueError(f"{later[0]} isn't in format {self.format_version}")
        for part, names in _find_later(self.format_version).items():
            later = sorted(names & getattr(self, part).model_fields_set)
            if later:
                raise ValueError(f"{part}.{later[0]} isn't in format {self.format_version}")
        return self

    @property
    def exported_threshold(self) -> Threshold:
        """The threshold that the export set.

        Example:
            >>> inspector.manifest.exported_threshold.value
            12.0
        """
        return (*self.history, self.threshold)[0]

    def same_export(self, other: Manifest) -> bool:
        """Return whether everything but the threshold is the same, so that both give the same scores.

        Example:
            >>> other = inspector.manifest.model_copy(update={"category": "another"})
            >>> inspector.manifest.same_export(other)
            False
        """
        without = {"threshold": other.threshold, "history": (), "files": _exported_files(other)}
        mine = {**without, "files": _exported_files(self)}
        return self.model_copy(update=mine) == other.model_copy(update=without)

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        """Yield the fields that distinguish bundles; all of them, with a hash for each file, are too long."""
        yield "category", self.category
        yield "threshold", self.threshold.value
        yield "provisional", self.threshold.provisional
        yield "network", self.backbone.name
        yield "bank", f"{self.bank.n}x{self.bank.dim}"
        yield "images", self.dataset.images
        yield "created", f"{self.created:%Y-%m-%d}"
        yield "format_version", self.format_version


def _exported_files(manifest: Manifest) -> dict[str, FileRecord]:
    return {name: record for name, record in manifest.files.items() if not name.startswith("mask-")}


def describe(manifest: Manifest) -> str:
    """Describe a bundle in a few words: category, threshold, and the memory bank's size `n x d`.

    Example:
        >>> describe(inspector.manifest)
        "category='tiny', threshold=12 (provisional), bank=768x3"
    """
    threshold, bank = manifest.threshold, manifest.bank
    value = f"{threshold.value:.4g}" + (" (provisional)" if threshold.provisional else "")
    return f"category={manifest.category!r}, threshold={value}, bank={bank.n}x{bank.dim}"


def dump_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as sealed JSON.

    The seal is the SHA-256 of the document itself with 64 zeros in place of the seal, so that a changed byte
    in the manifest (such as its threshold) is found like one in any other file.
    """
    unsealed = _dump_unsealed(manifest)
    seal = hashlib.sha256(unsealed).hexdigest()
    return unsealed.replace(_UNSEALED.encode(), seal.encode(), 1)


def seal_of(manifest: Manifest) -> str:
    """Return the seal of a manifest as `dump_manifest` writes it: SHA-256, 64 digits of hex.

    Takes about a millisecond. The `seal` of an `Inspector` is that of its manifest.

    Example:
        >>> seal = seal_of(inspector.manifest)
        >>> len(seal), seal == inspector.decide(frame).seal
        (64, True)
    """
    return hashlib.sha256(_dump_unsealed(manifest)).hexdigest()


def list_seals(manifest: Manifest) -> dict[Role, str]:
    """Return what must be signed, by role: the seal at export, and the present one of a later threshold.

    Example:
        >>> manifest = inspector.manifest
        >>> list_seals(manifest) == {"export": seal_of(manifest)}
        True
    """
    exported = {"threshold": manifest.exported_threshold, "history": (), "files": _exported_files(manifest)}
    seals: dict[Role, str] = {"export": seal_of(manifest.model_copy(update=exported))}
    if manifest.history:
        seals["calibration"] = seal_of(manifest)
    return seals


def _dump_unsealed(manifest: Manifest) -> bytes:
    version = manifest.format_version
    without: dict[str, Any] = {**_find_later(version), **dict.fromkeys(_find_later_parts(version), True)}
    document = {"seal": _UNSEALED, **manifest.model_dump(mode="json", by_alias=True, exclude=without)}
    return (json.dumps(document, indent=2) + "\n").encode()


def _find_later(version: int) -> dict[str, set[str]]:
    """Return the fields that later formats added, by the part of the manifest."""
    later: dict[str, set[str]] = {}
    for added in (fields for number, fields in _ADDED.items() if number > version):
        for part, names in added.items():
            later[part] = later.get(part, set()) | names
    return later


def _find_later_parts(version: int) -> set[str]:
    """Return the parts of the manifest that later formats added."""
    return {name for number, names in _ADDED_PARTS.items() if number > version for name in names}


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Read a sealed manifest.

    Args:
        data: the content of `manifest.json`.
        where: the name of the file in messages.

    Returns:
        the manifest.

    Raises:
        BundleTooNewError: its `format_version` is later than this SoftCore's.
        BundleCorruptError: it is not JSON, its seal is broken, or a field is wrong.
    """
    try:
        document = parse_json(data)
        version, seal = document.get("format_version"), document.pop("seal", None)
    except (AttributeError, ValueError) as error:  # no object, or no JSON
        raise BundleCorruptError(f"{where}: not a SoftCore manifest ({error})") from error
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleTooNewError(
            f"{where}: written in bundle format {version}, this SoftCore reads up to {FORMAT_VERSION}; "
            "upgrade softcore on this machine, or export again with its version"
        )
    if isinstance(version, int) and version < EARLIEST_VERSION:
        raise BundleCorruptError(
            f"{where}: written in bundle format {version}, this SoftCore reads {EARLIEST_VERSION} to "
            f"{FORMAT_VERSION}; export the bundle again"
        )
    if not isinstance(seal, str) or len(seal) != len(_UNSEALED) or not seal.isascii():
        raise BundleCorruptError(f"{where}: the seal is missing; export the bundle again")
    if hashlib.sha256(data.replace(seal.encode(), _UNSEALED.encode(), 1)).hexdigest() != seal:
        raise BundleCorruptError(
            f"{where}: changed since it was written; thresholds are set with softcore-calibrate, not by hand"
        )
    try:
        # As JSON, whose dates are text, and strictly: neither true nor "12" is a number.
        return Manifest.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        # A key may hold any characters, such as a terminal's control sequences.
        place = ".".join(part if str(part).isprintable() else ascii(part) for part in map(str, first["loc"]))
        raise BundleCorruptError(f"{where}: {place}: {first['msg']}") from error
