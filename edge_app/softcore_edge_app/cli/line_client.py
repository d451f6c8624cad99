"""Line client: asks a running line over its HTTP port."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from softcore_runtime import SourceError, UsageError

from softcore_edge_app.configuration.options import HttpOptions

__all__ = ["find_url", "read_token", "request_line"]

_TIMEOUT = 120.0  # seconds, in which a recipe is loaded and tested


def find_url(given: str | None, http: HttpOptions) -> str:
    """Return the address of a line, without a slash at its end.

    Args:
        given: as a person names it; None for where `http` listens.
        http: the line's own options.

    Raises:
        UsageError: it is no address.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - not to listen at
    url = given or f"http://{f'[{host}]' if ':' in host else host}:{http.port}"
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url {url}: must begin with http:// or https://")
    return url.rstrip("/")


def read_token(file: Path | None) -> str | None:
    """Read the token that changes need; None without a file.

    Raises:
        UsageError: it can't be read.
    """
    try:
        return file.read_text(encoding="utf-8").strip() if file else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {file}: can't be read ({error})") from error


def request_line(url: str, body: dict[str, Any] | None, token: str | None) -> Any:
    """Send a request, and return the JSON of the response.

    Args:
        url: of the request.
        body: of a POST; None for a GET.
        token: what changes need; None for none.

    Raises:
        UsageError: the line refuses it.
        SourceError: no line answers.
    """
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers)  # noqa: S310 - the scheme was checked
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise UsageError(f"{url}: {_explain(error)}") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{url}: no line answers ({error})") from error


def _explain(error: urllib.error.HTTPError) -> str:
    try:
        detail = json.loads(error.read())["detail"]
    except (ValueError, KeyError, TypeError):
        detail = error.reason
    return f"refused: {detail}"
