"""Password file: the file that holds a password, on one line, and who else can read it."""

from __future__ import annotations

import stat
from pathlib import Path

from softcore_runtime.errors import UsageError

__all__ = ["find_risk", "read_password"]

_LONGEST = 65_535  # bytes of a password; MQTT takes no more


def read_password(file: Path | None) -> str | None:
    """Return the password, without the end of its line; None if there is no file.

    Raises:
        UsageError: its file can't be read, is none, or holds no password.
    """
    if file is None:
        return None
    try:
        if not file.is_file() and file.exists() and not file.is_dir():  # reading a pipe may take for ever
            raise UsageError(f"{file}: the password's file is no file")
        with file.open(encoding="utf-8") as stream:
            password = stream.read(_LONGEST + 1).rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: no password, for it isn't UTF-8") from error
    if len(password.encode()) > _LONGEST:
        raise UsageError(f"{file}: no password, for it is longer than {_LONGEST} bytes")
    return password


def find_risk(file: Path) -> str | None:
    """Return, in a line, how others could get the password; None if they can't."""
    if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return f"{file}: everybody on this machine can read or write the password; run: chmod o= {file}"
    return None
