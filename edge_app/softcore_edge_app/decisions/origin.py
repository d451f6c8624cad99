"""Origin: who triggered a part, which the id of its trigger says.

The id is in the ledger, so that an output knows it after a restart, too, and it is made by the line alone:
what somebody calls a part says nothing about who triggered it.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["ORIGINS", "Origin", "find_origin", "make_trigger_id"]

Origin = Literal["http", "modbus", "mqtt", "page"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)


def make_trigger_id(run: str, number: int, by: Origin | None) -> str:
    """Make the id of a trigger: `RUN-NUMBER`, and `-ORIGIN` where somebody else than the line triggered.

    Args:
        run: makes it unique over all runs.
        number: counts the run's triggers.
        by: who triggered; None for the line's own clock or source.
    """
    return f"{run}-{number}" if by is None else f"{run}-{number}-{by}"


def find_origin(trigger: str) -> Origin | None:
    """Give who triggered a part by the id of its trigger.

    Returns:
        None where the line itself did, or an earlier version of SoftCore entered it.
    """
    ending = trigger.rpartition("-")[2]
    return next((origin for origin in ORIGINS if origin == ending), None)
