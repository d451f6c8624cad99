"""Trust: the keys whose signatures a line believes, and what each of them may vouch for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime.errors import BundleUntrustedError
from softcore_runtime.signing.public_key import name_key
from softcore_runtime.signing.signatures import Role, Signature, list_bytes, read_signatures

__all__ = ["Trust"]

_WHAT = {"export": "the export", "calibration": "the threshold"}
_HOW = {
    "export": "softcore-export --sign KEY or softcore keys sign KEY BUNDLE",
    "calibration": "softcore-calibrate --sign KEY or softcore keys sign KEY BUNDLE --threshold",
}


@dataclass(frozen=True)
class Trust:
    """The public keys that are trusted, each as `softcore keys` prints it.

    Attributes:
        keys: may vouch for exports and for thresholds.
        calibration_keys: may vouch for thresholds only.

    Raises:
        ValueError: one is no public key.

    Example:
        >>> Trust(keys=("ed25519:AAAA",))
        Traceback (most recent call last):
            ...
        ValueError: a public key is ed25519: and 44 characters, as softcore keys prints it
    """

    keys: tuple[str, ...]
    calibration_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in (*self.keys, *self.calibration_keys):
            name_key(key)

    def check(self, path: Path, seals: Mapping[Role, str]) -> None:
        """Check that a trusted key vouches for a bundle in all its roles.

        Args:
            path: the bundle's folder.
            seals: by role the seal that must be signed, see `softcore_runtime.bundle.manifest.list_seals`.

        Raises:
            BundleUntrustedError: a signature is missing, of a foreign key, or wrong.
            MissingLibraryError: the library that verifies isn't installed.
        """
        signatures = read_signatures(path)
        for role, seal in seals.items():
            self._check_role(path, role, seal, [one for one in signatures if one.role == role])

    def _check_role(self, path: Path, role: Role, seal: str, signatures: list[Signature]) -> None:
        # Imported here: only a line with keys needs the library.
        from softcore_runtime.signing.private_key import verify

        what, how = _WHAT[role], _HOW[role]
        if not signatures:
            raise BundleUntrustedError(
                f"{path}: {what} isn't signed, and only signed ones are trusted: {how}"
            )
        fitting = [one for one in signatures if one.seal == seal]
        if not fitting:
            raise BundleUntrustedError(f"{path}: {what} was changed since it was signed: {how}")
        known = {name_key(key): key for key in self._list_keys(role)}
        ours = [one for one in fitting if one.key in known]
        if not ours:
            names = ", ".join(sorted({one.key for one in fitting}))
            raise BundleUntrustedError(
                f"{path}: {what} is signed by the key {names}, which isn't trusted for that"
            )
        for one in ours:
            if not verify(known[one.key], list_bytes(role, seal), one.signature):
                raise BundleUntrustedError(f"{path}: the signature of {what} by the key {one.key} is wrong")

    def _list_keys(self, role: Role) -> Iterator[str]:
        yield from self.keys
        if role == "calibration":
            yield from self.calibration_keys
