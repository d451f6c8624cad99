"""Public key: a short line of text, which a configuration holds; needs no library."""

from __future__ import annotations

import base64
import binascii
import hashlib

__all__ = ["format_public", "name_key", "parse_public"]

_BEGINNING = "ed25519:"
_BYTES = 32


def format_public(data: bytes) -> str:
    """Write the 32 bytes of a public key as a line of text.

    Example:
        >>> format_public(bytes(32))
        'ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
    """
    return _BEGINNING + base64.b64encode(data).decode()


def parse_public(text: str) -> bytes:
    """Return the 32 bytes of a public key.

    Raises:
        ValueError: the text is none.

    Example:
        >>> parse_public("ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=") == bytes(32)
        True
    """
    try:
        data = base64.b64decode(text.removeprefix(_BEGINNING), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    # Written anew, since base64 has several spellings of one key.
    if len(data) != _BYTES or text != format_public(data):
        raise ValueError("a public key is ed25519: and 44 characters, as softcore keys prints it")
    return data


def name_key(public: str) -> str:
    """Return the id of a public key: the first 16 digits of the SHA-256 of its bytes.

    Example:
        >>> name_key("ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        '66687aadf862bd77'
    """
    return hashlib.sha256(parse_public(public)).hexdigest()[:16]
