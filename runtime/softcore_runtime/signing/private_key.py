"""Private key: signs by Ed25519, and is a file that its owner alone can read."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from softcore_runtime.errors import UsageError
from softcore_runtime.missing_library import explain_import
from softcore_runtime.regular_file import open_regular
from softcore_runtime.signing.public_key import format_public, parse_public

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
except ImportError as error:  # pragma: no cover - seen in a subprocess
    raise explain_import(error, "sign") from error

__all__ = ["PrivateKey", "create_key", "read_key", "verify"]

_LARGEST = 2**14  # bytes of a private key's file


class PrivateKey:
    """A private key.

    Args:
        key: cryptography's.

    Attributes:
        public: its public key as a line of text, `ed25519:` and 44 characters of base64.

    Example:
        >>> key = create_key(folder / "export.key")
        >>> key.public[:8], len(key.public)
        ('ed25519:', 52)
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = format_public(key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, 128 digits of hex."""
        return self._key.sign(message).hex()


def verify(public: str, message: bytes, signature: str) -> bool:
    """Tell whether a signature, in hex, is a public key's over a message."""
    try:
        Ed25519PublicKey.from_public_bytes(parse_public(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def create_key(file: Path) -> PrivateKey:
    """Make a private key and write it to a new file, which its owner alone can read (mode 0600).

    Raises:
        UsageError: there is a file already, or it can't be written.
    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        # Never through a link, and never over another key.
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{file}: is there already; a key is never overwritten") from error
    except OSError as error:
        raise UsageError(f"{file}: the key can't be written ({error.strerror})") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
    except OSError as error:
        with suppress(OSError):
            file.unlink()
        raise UsageError(f"{file}: the key can't be written ({error.strerror})") from error
    return PrivateKey(key)


def read_key(file: Path) -> PrivateKey:
    """Read a private key from its file: Ed25519, PEM, without a password.

    Raises:
        UsageError: it can't be read, others may read or write it, or it is no such key.

    Example:
        >>> read_key(folder / "gone.key")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: .../gone.key: the key can't be read (No such file or directory)
    """
    try:
        with open_regular(file) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"{file}: the key can't be read ({error.strerror})") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{file}: others on this machine can read or write the key; run: chmod 600 {file}")
    try:
        key = load_pem_private_key(data, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise UsageError(
            f"{file}: no private key without a password; make one with softcore keys new"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{file}: no key of Ed25519; make one with softcore keys new")
    return PrivateKey(key)
