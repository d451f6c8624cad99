from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from softcore_edge_app.health.logs import configure_logs
from softcore_runtime.errors import MissingLibraryError

LOG = logging.getLogger("softcore_edge_app.health.test_logs")


@pytest.fixture(autouse=True)
def _text_again() -> Iterator[None]:
    yield
    configure_logs("text")


def test_text_is_a_line_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text")
    LOG.info("the threshold is %g from here on", 12)
    LOG.warning("100% of what\nwas asked")
    LOG.error("the ledger can't be written")
    LOG.debug("unheard")
    logging.getLogger("softcore_edge_app.web").warning("the port is open to the network")
    logging.getLogger("softcore_edge_app.web").error("alarm: said already")
    assert capsys.readouterr().err.splitlines() == [
        "softcore-edge: the threshold is 12 from here on",
        "softcore-edge: warning: 100% of what was asked",
        "softcore-edge: alarm: the ledger can't be written",
        "softcore-edge: warning: the port is open to the network",
        "softcore-edge: alarm: said already",
    ]


def test_what_comes_from_outside_can_not_break_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text")
    LOG.warning("part \x1b[31m\x00 came")
    assert capsys.readouterr().err == "softcore-edge: warning: part \\x1b[31m\\x00 came\n"


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    logging.getLogger("softcore_edge_app.camera").warning('"quoted"\n%s', "ü")
    try:
        raise ValueError("no such thing")
    except ValueError:
        LOG.exception("internal error")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    time = datetime.fromisoformat(first.pop("time").replace("Z", "+00:00"))
    assert abs((datetime.now(timezone.utc) - time).total_seconds()) < 60
    assert first == {"event": '"quoted"\nü', "level": "warning", "logger": "softcore_edge_app.camera"}
    assert (second["level"], second["event"]) == ("error", "internal error")
    assert "ValueError: no such thing" in second["exception"]


@pytest.mark.parametrize(
    "name", ["softcore_edge_app.pipeline.camera_pipeline", "softcore_runtime.backends.ort"]
)
def test_all_of_ours_are_heard_from_info_up(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text")
    log = logging.getLogger(name)
    log.debug("unheard")
    log.info("as it should be")
    log.warning("look at it")
    log.error("it fails")
    assert capsys.readouterr().err.splitlines() == [
        "softcore-edge: as it should be",
        "softcore-edge: warning: look at it",
        "softcore-edge: alarm: it fails",
    ]


@pytest.mark.parametrize("form", ["text", "json"])
def test_libraries_are_heard_from_warning_up(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form)  # type: ignore[arg-type]
    configure_logs(form)  # type: ignore[arg-type]
    for name in ("uvicorn.error", "paho", "urllib3"):
        logging.getLogger(name).info("unheard")
        logging.getLogger(name).error("connection lost")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    if form == "text":
        assert lines[0] == "softcore-edge: warning: uvicorn.error: connection lost"
    else:
        assert json.loads(lines[0])["logger"] == "uvicorn.error"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "said",
    [
        "rtsp://viewer:hunter2@10.0.0.5/live failed",
        "rtsp://viewer:hun/hunter2@10.0.0.5/live failed",
        "http://hunter2@host/",
        'GET /api?token=hunter2&x=1 "Authorization: Bearer hunter2"',
        "{'password': 'hunter2', 'user': 'me'}",
        "api_key = hunter2",
        'token=hunter2"and\\more',
    ],
)
def test_secrets_are_left_out(said: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form)  # type: ignore[arg-type]
    logging.getLogger("paho").warning("%s", said)
    LOG.warning("see %s", said)
    try:
        raise ValueError(said)
    except ValueError:
        LOG.exception("failed")
    err = capsys.readouterr().err
    assert "hunter2" not in err
    assert "***" in err
    if form == "json":
        assert [json.loads(line)["level"] for line in err.splitlines()] == ["warning", "warning", "error"]


def test_a_standard_error_that_is_full_or_closed_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        LOG.warning("said all the same")


def test_json_needs_structlog(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "structlog", None)
    with pytest.raises(MissingLibraryError, match="structlog is not installed"):
        configure_logs("json")
    configure_logs("text")  # needs nothing
    LOG.warning("fine")
    assert capsys.readouterr().err == "softcore-edge: warning: fine\n"
