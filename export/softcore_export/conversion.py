"""Conversion: rewrites a bundle of an earlier format in the present one, where that needs no images."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from softcore_runtime import Bundle, Decision, FrameError, Inspector
from softcore_runtime.backends.engine import Engine, Provider
from softcore_runtime.bundle.bundle import (
    FLOORS,
    GoldenFrame,
    manifest_path,
    read_bundle,
    read_manifest,
    write_manifest,
)
from softcore_runtime.bundle.manifest import EARLIEST_VERSION, FORMAT_VERSION, FileRecord, Manifest
from softcore_runtime.bundle.strict_json import parse_json
from softcore_runtime.errors import BundleCorruptError, ExportError, UsageError
from softcore_runtime.regular_file import hash_file, read_regular
from softcore_runtime.signing.signatures import SIGNATURES

from softcore_export.staging_directory import staging_directory

__all__ = ["Conversion", "convert"]

_MANIFEST_BYTES = 2**24


@dataclass(frozen=True)
class Conversion:
    """What was done with a bundle.

    Attributes:
        path: the bundle's folder.
        earlier: the format that it had.
        golden: the number of golden frames that are decided as before; 0 where nothing was done.
        was_signed: whether it had signatures, which are gone: they are of the earlier manifest.
    """

    path: Path
    earlier: int
    golden: int
    was_signed: bool = False

    @property
    def done(self) -> bool:
        """Whether the bundle was rewritten; otherwise it had the present format already."""
        return self.earlier < FORMAT_VERSION

    def __str__(self) -> str:
        if not self.done:
            return f"{self.path}: is of format {self.earlier}, the present one, already; nothing was changed"
        return (
            f"{self.path}: converted from format {self.earlier} to {FORMAT_VERSION}; all {self.golden} "
            "golden frames are decided as before, and the threshold is kept"
            + ("; its signatures are gone: sign it with softcore keys sign" if self.was_signed else "")
        )


def convert(
    path: Path, engine: Engine | Literal["auto"] = "auto", provider: Provider | Literal["auto"] = "auto"
) -> Conversion:
    """Rewrite a bundle in the present format, whole or not at all.

    Earlier formats lack what can be stated without images: no floors (format 3), one window, no alignment.
    The golden frames are decided before and after; the threshold and its history are kept because they all
    come out the same.

    Args:
        path: the bundle's folder.
        engine: what runs the network, as for `Inspector.load`.
        provider: what computes, likewise.

    Returns:
        what was done.

    Raises:
        BundleError: the bundle is missing or damaged, or of a format that holds too little; that one has to
            be exported again, from its images.
        ExportError: a golden frame is decided otherwise by the converted bundle, or another process has
            changed the bundle meanwhile; it is as it was.
        UsageError: the folder can't be written.

    Example:
        >>> convert(target).done  # it has the present format already
        False
    """
    _demand_enough(path)
    old = read_bundle(path)
    earlier = old.manifest.format_version
    if earlier == FORMAT_VERSION:
        return Conversion(path, earlier, 0)
    before, was_signed = _decide_golden(path, engine, provider), (path / SIGNATURES).exists()
    with staging_directory(path) as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True)
        write_manifest(folder, _update(old, folder))
        (folder / SIGNATURES).unlink(missing_ok=True)  # of another manifest
        after = _decide_golden(folder, engine, provider)
        for golden, first, second in zip(old.golden, before, after, strict=True):
            if first is not second:
                raise ExportError(
                    f"{path}: the golden frame {golden.file} is decided {second} after the conversion, "
                    f"{first} before it; nothing was changed, export the bundle again"
                )
        if read_manifest(path) != old.manifest:
            raise UsageError(f"{path}: was changed while it was converted; convert it again")
    return Conversion(path, earlier, len(after), was_signed)


def _demand_enough(path: Path) -> None:
    """Refuse a format that holds too little.

    Raises:
        BundleCorruptError: this one does.
    """
    try:
        document = parse_json(read_regular(manifest_path(path), _MANIFEST_BYTES)[0])
    except (OSError, ValueError):
        return  # reading the bundle says what is wrong
    found = document.get("format_version") if isinstance(document, dict) else None
    if isinstance(found, int) and found < EARLIEST_VERSION:
        raise BundleCorruptError(
            f"{path}: a bundle of format {found} holds too little to be converted: export it again, from its "
            "images"
        )


def _update(old: Bundle, folder: Path) -> Manifest:
    """Write what the earlier format lacks, and return the manifest of the present one."""
    files = dict(old.manifest.files)
    if FLOORS not in files:
        file = folder / FLOORS
        np.save(file, np.zeros(old.manifest.bank.n, np.float32), allow_pickle=False)
        files[FLOORS] = FileRecord(sha256=hash_file(file), bytes=file.stat().st_size)
    tools = {**old.manifest.tools, "softcore, converted": version("softcore")}
    update = {"format_version": FORMAT_VERSION, "files": files, "tools": tools}
    return old.manifest.model_copy(update=update)


def _decide_golden(
    path: Path, engine: Engine | Literal["auto"], provider: Provider | Literal["auto"]
) -> list[Decision]:
    inspector = Inspector.load(path, engine=engine, provider=provider, any_threshold=True)
    return [_decide(inspector, golden) for golden in inspector.bundle.golden]


def _decide(inspector: Inspector, golden: GoldenFrame) -> Decision:
    try:
        return inspector.inspect(inspector.bundle.read_golden(golden)).decision
    except FrameError:
        return Decision.INVALID
