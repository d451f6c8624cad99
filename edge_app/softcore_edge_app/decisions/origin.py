"""Origin: who triggered a part, which the id of its trigger says.

The id is in the ledger, so that an output knows it after a restart, too. Only the line makes it: the name of
a part says nothing about who triggered it.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["ORIGINS", "Origin", "find_origin", "make_trigger_id"]

Origin = Literal["http", "modbus", "mqtt", "page"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)


def make_trigger_id(run: str, number: int, by: Origin | None) -> str:
    """Return the id of a trigger: `RUN-NUMBER`, with `-ORIGIN` unless the line itself triggered.

    Args:
        run: makes it unique over all runs.
        number: number of the trigger in the run.
        by: who triggered; None for the line's own clock or source.
    """
    return f"{run}-{number}" if by is None else f"{run}-{number}-{by}"


def find_origin(trigger: str) -> Origin | None:
    """Return who triggered a part, by the id of its trigger.

    Returns:
        None where the line itself did, or the id is from an earlier version of SoftCore.
    """
    ending = trigger.rpartition("-")[2]
    return next((origin for origin in ORIGINS if origin == ending), None)
