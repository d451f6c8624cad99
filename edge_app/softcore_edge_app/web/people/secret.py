"""Secret: hashes PINs, passwords and badges with Argon2id, and compares them in constant time."""

from __future__ import annotations

import base64
import secrets

from softcore_runtime.missing_library import explain_import

try:
    import argon2
    from argon2 import low_level
except ImportError as error:  # pragma: no cover - seen in a subprocess
    raise explain_import(error, "edge") from error

__all__ = ["hash_badge", "hash_secret", "match_badge", "match_secret"]

# OWASP's second choice, for a machine that inspects meanwhile: 19 MiB, some hundredths of a second.
_TIMES, _KIBIBYTES, _THREADS, _HASH_BYTES, _SALT_BYTES = 2, 19 * 1024, 1, 32, 16
_HASHER = argon2.PasswordHasher(_TIMES, _KIBIBYTES, _THREADS, _HASH_BYTES, _SALT_BYTES)
_NOBODY = _HASHER.hash(secrets.token_hex())


def hash_secret(secret: str) -> str:
    """Hash a PIN or password, with a salt of its own.

    Example:
        >>> stored = hash_secret("4711")
        >>> match_secret("4711", stored), match_secret("4712", stored)
        (True, False)
    """
    return _HASHER.hash(secret)


def match_secret(secret: str, stored: str | None) -> bool:
    """Tell whether a secret has a stored hash; takes as long without one, so that no name is told by it."""
    try:
        return _HASHER.verify(stored or _NOBODY, secret) and stored is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def hash_badge(code: str, other: str | None = None) -> str:
    """Hash a badge's code, with the salt of another badge: one hash then finds whose badge it is.

    Args:
        code: as the scanner types it.
        other: the hash of another person's badge; None if nobody has one.

    Example:
        >>> first = hash_badge("0004711-A")
        >>> hash_badge("0004711-A", first) == first
        True
    """
    salt = secrets.token_bytes(_SALT_BYTES) if other is None else _read_salt(other)
    return low_level.hash_secret(
        code.encode(), salt, _TIMES, _KIBIBYTES, _THREADS, _HASH_BYTES, low_level.Type.ID
    ).decode()


def match_badge(code: str, stored: list[str]) -> int | None:
    """Find the badge with a code among stored hashes, in the time of one hash if they share a salt.

    Returns:
        its place; None if it is none of them.

    Example:
        >>> match_badge("0004711-A", [hash_badge("0004712-A"), hash_badge("0004711-A")])
        1
    """
    salts = {_read_salt(one): one for one in stored}
    made = {salt: hash_badge(code, one) for salt, one in salts.items()}
    if not made:
        match_secret(code, None)
    found = None
    for place, one in enumerate(stored):  # all of them, so that the time doesn't tell which
        if secrets.compare_digest(made[_read_salt(one)], one):
            found = place
    return found


def _read_salt(stored: str) -> bytes:
    """Read the salt of `$argon2id$v=19$m=..,t=..,p=..$SALT$HASH`."""
    text = stored.split("$")[4]
    return base64.b64decode(text + "=" * (-len(text) % 4))
