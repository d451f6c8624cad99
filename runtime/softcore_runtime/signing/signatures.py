"""Signatures: `signatures.json` beside a bundle's manifest, which says who vouches for what.

A signature is Ed25519's, over the text `softcore bundle`, the role and a seal of the manifest, a line each.
The role `export` vouches for the bundle as it was exported, threshold included; `calibration` for all of it
with a threshold that was set later, and the history of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.errors import BundleUntrustedError, UsageError
from softcore_runtime.record import Record, Sha256
from softcore_runtime.regular_file import read_regular

__all__ = [
    "SIGNATURES",
    "Role",
    "Signature",
    "add_signatures",
    "has_signature",
    "list_bytes",
    "read_signatures",
]

Role = Literal["export", "calibration"]
SIGNATURES: Final = "signatures.json"
_MOST = 100  # signatures of a file; of more the latest stay
_LARGEST = 2**20  # bytes of the file


class Signature(Record):
    """A signature of a bundle."""

    role: Role = Field(description="what it vouches for: `export` or `calibration`")
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] = Field(
        description="id of the key: the first 16 digits of the SHA-256 of the public key's bytes"
    )
    seal: Sha256 = Field(description="the seal that was signed")
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] = Field(
        description="Ed25519's signature, in hex"
    )


class _File(Record):
    version: Literal[1] = 1
    signatures: tuple[Signature, ...] = Field(max_length=_MOST)


def list_bytes(role: Role, seal: str) -> bytes:
    r"""Return what is signed.

    Example:
        >>> list_bytes("export", "3f2a")
        b'softcore bundle\nexport\n3f2a\n'
    """
    return f"softcore bundle\n{role}\n{seal}\n".encode()


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """Read the signatures of a bundle; none where it isn't signed.

    Args:
        path: the bundle's folder.

    Raises:
        BundleUntrustedError: the file can't be read, or isn't byte by byte what was written.
    """
    file = path / SIGNATURES
    try:
        data, _ = read_regular(file, _LARGEST)
        found = _File.model_validate_json(data, strict=True)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BundleUntrustedError(f"{file}: can't be read ({error.strerror})") from error
    except (ValidationError, ValueError) as error:
        raise BundleUntrustedError(f"{file}: no signatures of a bundle, or changed; sign it again") from error
    if _dump(found.signatures) != data:
        raise BundleUntrustedError(f"{file}: no signatures of a bundle, or changed; sign it again")
    return found.signatures


def has_signature(path: Path, seals: Mapping[Role, str]) -> bool:
    """Tell whether a bundle has signatures for all its roles, whoever made them.

    Args:
        path: the bundle's folder.
        seals: by role the seal that must be signed.
    """
    there = {(one.role, one.seal) for one in read_signatures(path)}
    return there.issuperset(seals.items())


def add_signatures(path: Path, key_file: Path, seals: Mapping[Role, str]) -> str:
    """Sign a bundle.

    Signatures of other keys and of earlier thresholds stay.

    Args:
        path: the bundle's folder.
        key_file: the private key.
        seals: by role the seal to sign.

    Returns:
        the id of the key.

    Raises:
        UsageError: the key can't be used, or the bundle can't be written.
        BundleUntrustedError: the signatures that are there are damaged.
    """
    # Imported here: a library that only those who sign, or who trust keys, need.
    from softcore_runtime.signing.private_key import read_key
    from softcore_runtime.signing.public_key import name_key

    key = read_key(key_file)
    name = name_key(key.public)
    new = [
        Signature(role=role, key=name, seal=seal, signature=key.sign(list_bytes(role, seal)))
        for role, seal in seals.items()
    ]
    kept = [one for one in read_signatures(path) if one not in new]  # Ed25519 signs alike each time
    _write(path, (*kept, *new)[-_MOST:])
    return name


def _write(path: Path, signatures: tuple[Signature, ...]) -> None:
    file = path / SIGNATURES
    try:
        write_atomically(file, _dump(signatures), mode=0o644)
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror}); nothing was changed") from error


def _dump(signatures: tuple[Signature, ...]) -> bytes:
    document = _File(signatures=signatures).model_dump(mode="json")
    return (json.dumps(document, indent=2) + "\n").encode()
