"""Sessions: who is logged in, until they were idle for too long, or for long enough altogether."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from softcore_edge_app.web.people.person import Person

__all__ = ["Session", "Sessions"]

_MOST = 1000  # at a time; beyond them the oldest ends
_RANDOM = 32  # bytes of a key


@dataclass
class Session:
    """A session: whose, when it began, and when its person last did something, in seconds of the clock."""

    person: Person
    began: float
    active: float


class Sessions:
    """The sessions of a line, in memory: a restart of the line ends them.

    Args:
        idle: seconds without anything that the person does, after which a session ends.
        longest: seconds after which it ends whatever the person does.
        clock: returns the time in seconds.

    Example:
        >>> now = [0.0]
        >>> from softcore_edge_app.web.people.person import Role
        >>> sessions = Sessions(60, 3600, lambda: now[0])
        >>> key = sessions.open(Person("Anna", Role.SETTER, ""))
        >>> now[0] = 59.0
        >>> sessions.find(key).person.name
        'Anna'
        >>> now[0] = 61.0
        >>> sessions.find(key) is None
        True
    """

    def __init__(self, idle: float, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle, self._longest, self._clock = idle, longest, clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()  # by hashes of their keys
        self._lock = threading.Lock()

    def open(self, person: Person) -> str:
        """Begin a session, and return its key, which is stored nowhere."""
        key, now = secrets.token_urlsafe(_RANDOM), self._clock()
        with self._lock:
            self._sessions[_hash(key)] = Session(person, now, now)
            while len(self._sessions) > _MOST:
                self._sessions.popitem(last=False)
        return key

    def find(self, key: str, *, active: bool = False) -> Session | None:
        """Find a session by its key; None if there is none any more.

        Args:
            key: of `open`.
            active: whether the person does something now, which keeps it from ending.
        """
        now = self._clock()
        with self._lock:
            session = self._sessions.get(_hash(key))
            if session is None:
                return None
            if self._measure_rest(session, now) <= 0:
                del self._sessions[_hash(key)]
                return None
            if active:
                session.active = now
            return session

    def measure_rest(self, session: Session) -> float:
        """Return the seconds until a session ends if its person does nothing."""
        return max(0.0, self._measure_rest(session, self._clock()))

    def close(self, key: str) -> None:
        """End a session, if it is there."""
        with self._lock:
            self._sessions.pop(_hash(key), None)

    def _measure_rest(self, session: Session, now: float) -> float:
        return min(session.active + self._idle, session.began + self._longest) - now


def _hash(key: str) -> bytes:
    """Return what a key is looked up by: the time of a look-up tells nothing of a key that hashes."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
