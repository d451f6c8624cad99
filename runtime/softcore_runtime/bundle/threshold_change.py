"""Threshold change: sets a bundle's threshold, the only part of a bundle that changes after its export."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.bundle import manifest_path, read_bundle, read_golden, read_manifest
from softcore_runtime.bundle.manifest import FileRecord, Manifest, dump_manifest, list_seals
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import BundleCorruptError, BundleNotFoundError, UsageError
from softcore_runtime.signing.signatures import Role, add_signatures

__all__ = ["explain_threshold", "revert_threshold", "set_threshold", "sign_bundle"]

_UNPROVEN = 10  # times the highest known score, if no golden frame fails


def explain_threshold(threshold: Threshold, manifest: Manifest, golden: Iterable[float]) -> str | None:
    """Explain why a threshold can't be used with a bundle: no part could fail by it.

    One of a bundle's golden frames is spoiled on purpose, so that it fails at the threshold that the export
    set. It has to fail at every other one, too. If the export couldn't make one that fails (see the
    manifest's `golden_note`), a threshold may be ten times the highest known score.

    Args:
        threshold: the threshold in question.
        manifest: the bundle's.
        golden: the scores of the golden frames; with `min_area`, the scores by that area.

    Returns:
        why, in words that follow the bundle's name; None if it can be used.

    Example:
        >>> scores = [golden.score for golden in inspector.bundle.golden]
        >>> threshold = Threshold(value=15, provisional=False, method="by hand")
        >>> explain_threshold(threshold, inspector.manifest, scores) is None
        True
        >>> explain_threshold(threshold.model_copy(update={"value": 1e9}), inspector.manifest, scores)
        'at a threshold of 1e+09 no golden frame fails (the highest score is ...), so a defect may pass, too'
    """
    height, width = manifest.preprocessing.canvas
    if threshold.min_area is not None and threshold.min_area > height * width:
        return (
            f"min_area is {threshold.min_area:,}, more than the {width} x {height} pixels of the anomaly map"
        )
    highest = max(golden, default=0.0)
    most = highest
    if manifest.golden_note is not None:
        most = _UNPROVEN * max(highest, manifest.exported_threshold.value)
    if threshold.upper < most:
        return None
    area = "" if threshold.min_area is None else f" over {threshold.min_area:,} pixels"
    return (
        f"at a threshold of {threshold.upper:.6g}{area} no golden frame fails (the highest score is "
        f"{highest:.6g}), so a defect may pass, too"
    )


def set_threshold(
    path: Path,
    threshold: Threshold,
    exported: Manifest,
    mask: bytes | None = None,
    key: Path | None = None,
) -> Manifest:
    """Set a bundle's threshold; the one before it is added to the history.

    The manifest is replaced in one step: after an interruption the old one or the new one is there, complete.
    Processes that have the bundle open are not affected.

    Args:
        path: the bundle's folder.
        threshold: the new threshold; its `mask` is filled in here.
        exported: the manifest that the threshold was calibrated with.
        mask: a PNG file's content, white where nothing is inspected.
        key: a private key's file, which signs the threshold; None leaves it unsigned.

    Returns:
        the new manifest.

    Raises:
        UsageError: no part could fail by the threshold (see `explain_threshold`), the bundle can't be
            written, another process is setting its threshold, or the key can't be used.
        BundleError: the bundle is missing, or another was exported in its place.

    Example:
        >>> new = Threshold(value=15, provisional=False, method="by hand")
        >>> manifest = set_threshold(path, new, read_manifest(path))
        >>> manifest.threshold.value, [old.value for old in manifest.history]
        (15.0, [12.0])
    """
    with _lock_bundle(path):
        manifest = read_manifest(path)
        if not manifest.same_export(exported):
            raise BundleCorruptError(
                f"{path}: was exported anew while its threshold was chosen; calibrate again"
            )
        _check_threshold(path, threshold, manifest)
        files = dict(manifest.files)
        name = None
        if mask is not None:
            digest = hashlib.sha256(mask).hexdigest()
            name = f"mask-{digest[:16]}.png"
            _write(path / name, mask)
            files[name] = FileRecord(sha256=digest, bytes=len(mask))
        new = manifest.model_copy(
            update={
                "threshold": threshold.model_copy(update={"mask": name}),
                "history": (*manifest.history, manifest.threshold),
                "files": files,
            }
        )
        _replace_manifest(path, new, key)
    return new


def revert_threshold(path: Path, key: Path | None = None) -> tuple[Threshold, Threshold]:
    """Restore the threshold before the present one, which is dropped.

    Args:
        path: the bundle's folder.
        key: as for `set_threshold`; a signature that the restored threshold had is valid again without it.

    Returns:
        the dropped threshold, and the restored one.

    Raises:
        UsageError: there is none before it, or none that can be used; or as `set_threshold`.
        BundleError: no bundle, or a damaged one.

    Example:
        >>> new = Threshold(value=15, provisional=False, method="by hand")
        >>> _ = set_threshold(path, new, read_manifest(path))
        >>> [threshold.value for threshold in revert_threshold(path)]
        [15.0, 12.0]
    """
    with _lock_bundle(path):
        manifest = read_manifest(path)
        if not manifest.history:
            raise UsageError(f"{path}: no earlier threshold to go back to; this one was set at export")
        *history, threshold = manifest.history
        _check_threshold(path, threshold, manifest)
        new = manifest.model_copy(update={"threshold": threshold, "history": tuple(history)})
        _replace_manifest(path, new, key)
    return manifest.threshold, threshold


def sign_bundle(path: Path, key: Path, *, threshold_only: bool = False) -> tuple[Role, ...]:
    """Sign a bundle as it is now.

    Args:
        path: the bundle's folder.
        key: a private key's file.
        threshold_only: sign no export, but only a threshold that was set later.

    Returns:
        the roles that were signed.

    Raises:
        UsageError: there is no such threshold; or as `set_threshold`.
        BundleError: no bundle, or a damaged one.

    Example:
        >>> from softcore_runtime.signing.private_key import create_key
        >>> _ = create_key(folder / "export.key")
        >>> sign_bundle(path, folder / "export.key")
        ('export',)
    """
    with _lock_bundle(path):
        manifest = read_bundle(path).manifest  # each of its files is vouched for
        seals = list_seals(manifest)
        if threshold_only:
            seals.pop("export")
            if not seals:
                raise UsageError(f"{path}: has the threshold that the export set; sign the export")
        add_signatures(path, key, seals)
        manifest_path(path).touch()  # a running line looks at the bundle again
    return tuple(seals)


def _replace_manifest(path: Path, new: Manifest, key: Path | None) -> None:
    """Write a manifest with another threshold, after its signature: a line that reads it finds both."""
    if key:
        seals = list_seals(new)
        add_signatures(path, key, {role: seal for role, seal in seals.items() if role == "calibration"})
    _write(manifest_path(path), dump_manifest(new))


def _check_threshold(path: Path, threshold: Threshold, manifest: Manifest) -> None:
    """Check a threshold against the exported golden scores; no score by an area exceeds these.

    Raises:
        UsageError: no part could fail by it.
    """
    fault = explain_threshold(threshold, manifest, [golden.score for golden in read_golden(path, manifest)])
    if fault:
        raise UsageError(f"{path}: {fault}; nothing was changed")


@contextlib.contextmanager
def _lock_bundle(path: Path) -> Iterator[None]:
    """Lock a bundle against other changes of its threshold, for the block or until the process ends."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BundleNotFoundError(f"{path}: no bundle here ({error.strerror})") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(f"{path}: its threshold is just being set by someone else; try again") from error
    finally:
        os.close(folder)


def _write(file: Path, content: bytes) -> None:
    """Write a file of a bundle, readable by any user; the bundle is locked.

    Raises:
        UsageError: it can't be written.
    """
    try:
        # One draft for all files: the next change takes over what a killed process left.
        write_atomically(file, content, mode=0o644, draft=file.with_name(".threshold.partial"))
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror}); nothing was changed") from error
