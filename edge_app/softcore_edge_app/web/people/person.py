"""Person: somebody who may change a line, and the role that says what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["RESERVED", "Person", "Role", "find_person"]

# The ledger calls so whoever is no person.
RESERVED = ("command", "http", "line", "modbus", "mqtt", "page")


class Role(str, Enum):
    """What a person may do; each role may do what those before it may.

    Example:
        >>> Role.SETTER.includes(Role.OPERATOR), Role.VIEWER.includes(Role.OPERATOR)
        (True, False)
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    SETTER = "setter"

    def __str__(self) -> str:
        return self.value

    def includes(self, role: Role) -> bool:
        """Tell whether who has this role may do what another role may."""
        order = list(Role)
        return order.index(self) >= order.index(role)


@dataclass(frozen=True)
class Person:
    """A person.

    Attributes:
        name: as the ledger has it.
        role: what the person may do.
        secret: hash of the PIN or password, see `hash_secret`.
        badge: hash of the badge's code, see `hash_badge`; None without a badge.
    """

    name: str
    role: Role
    secret: str
    badge: str | None = None


def find_person(people: tuple[Person, ...], name: str) -> Person | None:
    """Find a person by name, in upper or lower case.

    Example:
        >>> find_person((Person("Anna", Role.SETTER, ""),), "ANNA").name
        'Anna'
    """
    return next((one for one in people if one.name.casefold() == name.casefold()), None)
