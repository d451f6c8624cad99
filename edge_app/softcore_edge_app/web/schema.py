"""Schema: what the requests and responses of the port have in common."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "MAX_BODY_BYTES",
    "READ_RESPONSES",
    "WHOLE_NUMBER",
    "WRITE_RESPONSES",
    "Camera",
    "Day",
    "Problem",
    "RequestModel",
    "Responses",
    "ShortText",
    "Time",
    "describe_problem",
    "to_nanoseconds",
]

MAX_BODY_BYTES = 64 * 1024  # of a request's body
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LATEST = 2**63 - 1  # nanoseconds

Responses: TypeAlias = dict[int | str, dict[str, Any]]  # the responses of a route, by status code
ShortText = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Camera = Annotated[ShortText | None, Query(description="Which camera, if there are several.")]


class RequestModel(BaseModel):
    """Base of request bodies: unknown fields are errors, and so are other types (`true` is no 1)."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """What is wrong, in plain words."""

    detail: str


def describe_problem(description: str) -> dict[str, Any]:
    """Describe a response that is a `Problem`."""
    return {"model": Problem, "description": description}


READ_RESPONSES: Responses = {
    400: describe_problem("The request has a body."),
    403: describe_problem("A page of another site asked."),
    422: describe_problem("What is asked for is not what is described here."),
}
WRITE_RESPONSES: Responses = {
    400: describe_problem("The body can't be read."),
    403: describe_problem("Neither the token nor who may is there, or a page of another site asked."),
    409: describe_problem("It can't be done as the line is."),
    413: describe_problem(f"The body is larger than {MAX_BODY_BYTES // 1024} KiB."),
    422: describe_problem("The body is not what is described here."),
}


def _refuse_number(text: object) -> object:
    if isinstance(text, str) and text[:1] in "+-.0123456789" and not any(c in text[1:] for c in "-T:"):
        raise ValueError("a time is written like 2026-11-25T06:00, not as a number")
    return text


def _add_zone(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


Day = Annotated[date, BeforeValidator(_refuse_number), Query(description="Like 2026-11-25.")]
Time = Annotated[
    datetime | None,
    BeforeValidator(_refuse_number),
    AfterValidator(lambda time: time and _add_zone(time)),
    Query(description="ISO 8601; UTC where it doesn't say."),
]


# JSON has one kind of number: 3.0 is a whole one. Behind the bounds of a field, which the schema has only so.
WHOLE_NUMBER: Final = BeforeValidator(
    lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
)


def to_nanoseconds(time: datetime | None) -> int | None:
    """Return a time in nanoseconds of UTC since 1970, limited to 64 bits."""
    if time is None:
        return None
    since = (time - _EPOCH) // timedelta(microseconds=1) * 1000
    return max(-_LATEST, min(since, _LATEST))
