"""Token file: the token that changes over HTTP need; made if there is none yet."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from softcore_runtime.errors import UsageError

__all__ = ["find_place", "read_token", "take_token"]

_SHORTEST = 16
_LONGEST = 4096
_RANDOM = 32  # bytes

_log = logging.getLogger(__name__)


def take_token(file: Path) -> str:
    """Read the token of `HttpOptions.token_file`, or write a random one to it, and log that.

    A new file can be read by the user of this process alone (mode 0600); an existing one stays as it is.

    Raises:
        UsageError: as `read_token`, or it can't be written.
    """
    if file.exists():
        return read_token(file)
    find_place(file)
    token = secrets.token_hex(_RANDOM)
    try:
        # Never through a link, and never over a token that another line has just written.
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(f"{token}\n")
    except FileExistsError:
        return read_token(file)
    except OSError as error:
        with suppress(OSError):  # an empty file would be an error at the next start
            file.unlink()
        raise UsageError(f"{file}: the token can't be written ({error.strerror})") from error
    _log.info("made a new token for changes over HTTP in %s, which only its owner can read", file)
    return token


def find_place(file: Path) -> None:
    """Check that a token that isn't there yet could be written.

    Raises:
        UsageError: there is no folder for it, one that can't be written to, or a link that leads nowhere.
    """
    if file.is_symlink():
        raise UsageError(f"{file}: the token's file is a dangling symbolic link, to {file.readlink()}")
    folder = file.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{file}: no token can be made there (no folder {folder})")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{file}: no token can be made there ({folder} can't be written to)")


def read_token(file: Path) -> str:
    """Read a token, without the white space around it.

    Raises:
        UsageError: it can't be read, everybody on the machine can read or write it, or it is no token: 16
            characters of ASCII or more, without spaces.
    """
    try:
        mode = file.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a pipe may take for ever
            raise UsageError(f"{file}: the token's file is no file")
        with file.open(encoding="ascii") as stream:
            token = stream.read(_LONGEST + 1).strip()
    except OSError as error:
        raise UsageError(f"{file}: the token can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: a token is ASCII, and this is not") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UsageError(
            f"{file}: everybody on this machine can read or write the token; run: chmod o= {file}"
        )
    if not _SHORTEST <= len(token) <= _LONGEST:
        raise UsageError(f"{file}: a token has {_SHORTEST} to {_LONGEST} characters, not {len(token)}")
    if not token.isprintable() or " " in token:
        raise UsageError(f"{file}: a token is one word on one line, and this is not")
    return token
