"""Refusal: why a request is refused, in the language that it asks for."""

from __future__ import annotations

from softcore_runtime.web.local_page import Answer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from softcore_edge_app.decisions.phrases import read_phrases
from softcore_edge_app.web.language.catalogue import Language, format_phrases

__all__ = ["describe_refusal", "refuse", "refuse_as_raised"]


def describe_refusal(why: str, headers: Headers) -> str:
    """Return why a request is refused, in German where it asks for that; what is not known stays English.

    Example:
        >>> describe_refusal("name, PIN or badge is wrong", Headers({"Accept-Language": "de"}))
        'Name, PIN oder Ausweis ist falsch'
    """
    if not headers.get("accept-language", "").lower().startswith("de"):
        return why
    language: Language = "de"
    return format_phrases(language, read_phrases(why))


def refuse(request: HTTPConnection, why: str, status: int) -> Answer:
    """Return the answer that refuses a request."""
    return Answer({"detail": describe_refusal(why, request.headers)}, status)


def refuse_as_raised(request: Request, error: HTTPException) -> Answer:
    """Return the answer for an `HTTPException`, which has its reason."""
    detail = describe_refusal(str(error.detail), request.headers)
    return Answer({"detail": detail}, error.status_code, headers=error.headers)
