"""People: who may change a line, who of them is logged in, and who must wait after wrong tries."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime.errors import SoftCoreError

from softcore_edge_app.web.people.lockout import Lockout
from softcore_edge_app.web.people.people_file import read_people
from softcore_edge_app.web.people.person import Person, find_person
from softcore_edge_app.web.people.secret import match_badge, match_secret
from softcore_edge_app.web.people.sessions import Sessions

__all__ = ["LoginRefusal", "People", "SessionState"]

_log = logging.getLogger(__name__)


class LoginRefusal(Exception):  # noqa: N818 - no error of the line
    """A wrong name, secret or badge, or one too many; `wait` is the seconds until the next try."""

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__("refused")
        self.wait = wait


@dataclass(frozen=True)
class SessionState:
    """Who is logged in, and the seconds until the session ends if the person does nothing."""

    person: Person
    rest: float


class People:
    """The people of a line. All methods may be called from any thread.

    The file is read again when it has changed: who is removed may do nothing from then on, and a session ends
    when anything of its person changes. While the file can't be read, nobody is logged in.

    Args:
        file: see `read_people`; None for a line without people.
        idle: seconds, see `Sessions`.
        longest: likewise.
        clock: returns the time in seconds.

    Raises:
        UsageError: as `read_people`.
    """

    def __init__(
        self, file: Path | None, idle: float, longest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._sessions, self._lockout = Sessions(idle, longest, clock), Lockout(clock)
        self._lock = threading.Lock()
        self._mark = self._look()
        self._people = read_people(file) if file else ()
        self._broken = False

    @property
    def exist(self) -> bool:
        """Whether there are any, or the file that should tell can't be read."""
        return bool(self._read()) or self._broken

    def log_in(self, name: str | None, secret: str, address: str) -> str:
        """Log somebody in, and return the session's key; takes some hundredths of a second.

        Args:
            name: of the person; None for a badge.
            secret: the PIN or password, or the badge's code.
            address: where the try comes from.

        Raises:
            LoginRefusal: it is wrong, or it is too soon to try again.
        """
        if wait := self._lockout.begin(name, address):
            raise LoginRefusal(wait)
        people = self._read()
        person = find_person(people, name) if name is not None else _find_badge(people, secret)
        if name is not None and not match_secret(secret, person.secret if person else None):
            person = None
        if person is None:
            shown = "a badge" if name is None else ascii(name)
            _log.warning("from %s somebody tried to log in with %s, and a wrong secret", address, shown)
            raise LoginRefusal
        self._lockout.succeed(name, address)
        return self._sessions.open(person)

    def find(self, key: str, *, active: bool = False) -> SessionState | None:
        """Find whose session a key is of; None if it has ended.

        Args:
            key: of `log_in`.
            active: whether the person does something now.
        """
        session = self._sessions.find(key, active=active)
        if session is None:
            return None
        if session.person not in self._read():
            self._sessions.close(key)
            return None
        return SessionState(session.person, self._sessions.measure_rest(session))

    def log_out(self, key: str) -> None:
        """End a session, if it is there."""
        self._sessions.close(key)

    def _read(self) -> tuple[Person, ...]:
        with self._lock:
            if self._file and (mark := self._look()) != self._mark:
                try:
                    self._people, self._broken = read_people(self._file), False
                except SoftCoreError as error:
                    _log.error("nobody can log in: %s", error)
                    self._people, self._broken = (), True
                self._mark = mark
            return self._people

    def _look(self) -> tuple[int, ...] | None:
        """Return what changes whenever the file does."""
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            return None
        return found and (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)


def _find_badge(people: tuple[Person, ...], code: str) -> Person | None:
    owners = [person for person in people if person.badge]
    place = match_badge(code, [str(person.badge) for person in owners])
    return None if place is None else owners[place]
