"""The port on a real line: a bundle that decides, a ledger, an archive, and a page's requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame, Recording
from softcore_edge_app.configuration.options import ArchiveOptions, CameraOptions, HttpOptions
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.outputs.archive import Archive
from softcore_edge_app.outputs.archive_record import IMAGE, SIDECAR
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.operator_service import OperatorService
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_edge_app.queries.labels import export_labels
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.people.people_file import write_people
from softcore_edge_app.web.people.person import Person, Role
from softcore_edge_app.web.people.secret import hash_secret
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime import Inspector, LedgerError

from .conftest import METRICS, TOKEN
from .test_events import Listener


class Turns(Recording):
    """A source of good and bad frames in turn."""

    def __init__(self, *images: np.ndarray) -> None:
        self._images = images

    def read_frames(self) -> Generator[Frame, None, None]:
        for number in count():
            yield Frame(number + 1, f"#{number + 1}", image=self._images[number % len(self._images)])


@pytest.fixture
def port(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray, token_file: Path, tmp_path: Path
) -> Iterator[WebServer]:
    ledger = Ledger.open(tmp_path / "line.ledger")
    station = InspectionStation(LedgerWriter(ledger))
    recipes = Recipes({"tiny": tiny_bundle}, SharedInspectors(Inspector.load))
    options = CameraOptions(source="x", trigger="external", deadline=60, queue=1000)
    station.add_pipeline(
        CameraPipeline(
            "left", 0, Turns(good_frame, bad_frame), recipes, options, "run", station.wake_publisher
        )
    )
    archive = Archive(ArchiveOptions(folder=tmp_path / "archive", pass_share=1.0))
    people = tmp_path / "people.json"
    setter = Person("Anna Åström", Role.SETTER, hash_secret("471100"))
    write_people(people, (setter, Person("Bert", Role.OPERATOR, hash_secret("0815"))))
    server = WebServer(
        HttpOptions(port=0, token_file=token_file, people_file=people),
        OperatorService(station),
        lambda: METRICS,
        ledger=ledger.path,
        archive=tmp_path / "archive", find_fault=lambda: archive.fault,
    )  # fmt: skip
    for listener in (archive.keep, server.publish):
        station.add_listener(listener)
    station.add_note_listener(server.publish_note)
    server.start()
    station.start()
    yield server
    station.stop()
    server.close()
    archive.close(60)
    assert verify_ledger(ledger.path).fault is None


@pytest.fixture
def page(port: WebServer) -> Iterator[httpx.Client]:
    headers = {"X-SoftCore-Token": TOKEN, "Origin": port.url.rstrip("/")}
    with httpx.Client(base_url=port.url, timeout=60, headers=headers) as made:
        yield made


def post(page: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = page.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_for(ask: Callable[[], Any]) -> Any:
    until = time.monotonic() + 60
    while not (answer := ask()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return answer


def test_what_is_set_on_the_page_holds_and_is_noted(page: httpx.Client, port: WebServer) -> None:
    listener = Listener(port.url, 10)
    listener.start()
    assert listener.connected.wait(30)
    first, second = (post(page, "/api/trigger", part=part)["trigger"] for part in ("7", "8"))

    def see(trigger: str) -> Any:
        answer = page.get(f"/api/decisions/{trigger}")
        return answer.json() if answer.status_code == 200 else None

    good, bad = (wait_for(lambda t=t: see(t)) for t in (first, second))
    assert [(row["decision"], row["part"]) for row in (good, bad)] == [("PASS", "7"), ("FAIL", "8")]
    assert 0.5 < bad["x"] < 1
    wait_for(lambda: see(second)["picture"])  # it is entered a moment before it is published
    bad = see(second)
    for kind in ("frame", "overlay", "map", "thumbnail"):
        assert page.get(f"/api/pictures/{second}/{kind}").status_code == 200

    value = 1.2 * bad["score"]
    preview = page.get("/api/limit/preview", params={"value": value}).json()
    assert (preview["now"]["FAIL"], preview["then"]["FAIL"], preview["known"]) == (1, 0, 2)
    assert [row["trigger"] for row in preview["changed"]] == [second]
    assert post(page, "/api/limit", value=value)["old"]["value"] == 12.0
    assert page.get("/api/status").json()["cameras"][0]["threshold"] == value
    third, fourth = (post(page, "/api/trigger")["trigger"] for _ in range(2))
    rows = [wait_for(lambda t=t: see(t)) for t in (third, fourth)]
    assert [(row["decision"], row["threshold"]) for row in rows] == [("PASS", value)] * 2

    post(page, "/api/running", running=False)
    assert page.get("/readyz").status_code == 503
    fifth = post(page, "/api/trigger")["trigger"]
    stopped = wait_for(lambda: see(fifth))
    assert (stopped["decision"], stopped["reason"]) == ("INVALID", "the line was stopped on the page")
    post(page, "/api/running", running=True)
    post(page, "/api/recipe", recipe="tiny")
    post(page, "/api/marks", trigger=second, mark="good")
    notes = page.get("/api/notes").json()["notes"]
    assert [note["kind"] for note in reversed(notes)] == [
        "trigger", "trigger", "limit", "trigger", "trigger", "running", "trigger", "running", "recipe",
        "mark",
    ]  # fmt: skip
    assert {note["by"] for note in notes} == {"page"}
    assert see(second)["mark"] == "good"
    assert page.get("/api/focus").json()["sharpness"] > 0
    shift = page.get("/api/status").json()["shift"]
    assert shift["counts"] == {"PASS": 3, "REVIEW": 0, "FAIL": 1, "INVALID": 1}
    report = page.get("/api/report").text
    assert "1 FAIL was good" in report
    assert "the line was stopped on the page" in report
    listener.join(60)
    told = [(kind, data.get("number")) for kind, data, _ in listener.events if kind == "decision"]
    assert told[:2] == [("decision", good["number"]), ("decision", bad["number"])]


def test_what_people_do_stands_in_the_ledger_under_their_names(port: WebServer, tmp_path: Path) -> None:
    """From the log-in over HTTP to `softcore-edge ledger labels`."""
    origin = {"Origin": port.url.rstrip("/")}
    with (
        httpx.Client(base_url=port.url, timeout=60, headers=origin) as anna,
        httpx.Client(base_url=port.url, timeout=60, headers=origin) as bert,
    ):
        post(anna, "/api/login", name="anna åström", secret="471100")  # noqa: S106
        post(bert, "/api/login", name="Bert", secret="0815")  # noqa: S106
        # A grey zone in which every part is.
        post(anna, "/api/limit", value=0.001, fail_above=236)
        triggers = [post(bert, "/api/trigger", part=part)["trigger"] for part in ("7", "8")]
        work = wait_for(lambda: (found := bert.get("/api/worklist").json())["open"] == 2 and found)
        assert [row["trigger"] for row in work["rows"]] == triggers
        wait_for(lambda: all(row["picture"] for row in bert.get("/api/worklist").json()["rows"]))
        for trigger, mark in zip(triggers, ("good", "bad"), strict=True):
            post(bert, "/api/worklist", trigger=trigger, mark=mark)
        assert bert.get("/api/worklist").json()["rows"] == []
        assert bert.post("/api/running", json={"running": False}).status_code == 403
        post(anna, "/api/running", running=False)
        notes = list(reversed(anna.get("/api/notes").json()["notes"]))
    assert [(note["kind"], note["by"]) for note in notes] == [
        ("limit", "Anna Åström"), ("trigger", "Bert"), ("trigger", "Bert"), ("mark", "Bert"),
        ("mark", "Bert"), ("running", "Anna Åström"),
    ]  # fmt: skip
    out = tmp_path / "labelled"
    for ending in (IMAGE, SIDECAR):
        wait_for(lambda e=ending: sum(one.name.endswith(e) for one in (tmp_path / "archive").rglob("*")) >= 2)
    labels = export_labels(tmp_path / "line.ledger", tmp_path / "archive", out)
    assert (labels.counts, labels.missing) == ({"good": 1, "bad": 1}, [])


def test_a_ledger_that_can_not_be_written_refuses_what_would_be_noted(
    page: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: Any) -> None:
        raise LedgerError("line.ledger: database or disk is full")

    trigger = post(page, "/api/trigger")["trigger"]
    wait_for(lambda: page.get(f"/api/decisions/{trigger}").status_code == 200)
    monkeypatch.setattr(Ledger, "note", refuse)
    for path, body in (
        ("/api/limit", {"value": 3.5}),
        ("/api/recipe", {"recipe": "tiny"}),
        ("/api/running", {"running": False}),
        ("/api/marks", {"trigger": trigger, "mark": "good"}),
    ):
        answer = page.post(path, json=body)
        assert (answer.status_code, answer.json()["detail"]) == (409, "line.ledger: database or disk is full")
    camera = page.get("/api/status").json()["cameras"][0]
    assert (camera["threshold"], camera["running"]) == (12.0, True)


def test_a_line_ends_at_once_whatever_is_being_asked(
    page: httpx.Client, port: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question on the ledger that would go on for hours is given up."""
    asked = threading.Event()

    def ask_for_ever(_search: Any, connection: Any, *_given: Any, **_place: Any) -> Any:
        asked.set()
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        return connection.execute(endless).fetchone()

    monkeypatch.setattr("softcore_edge_app.queries.part_search.PartSearch.find_page", ask_for_ever)
    monkeypatch.setattr(LedgerQueries.run, "__defaults__", (3600.0,))
    threads: list[threading.Thread] = []

    def ask() -> None:
        threads.append(threading.current_thread())
        with pytest.raises(httpx.HTTPError):
            page.get("/api/decisions").raise_for_status()

    client = threading.Thread(target=ask)
    client.start()
    assert asked.wait(30)
    port.close()
    client.join(60)
    assert not client.is_alive()
    left = [one for one in threading.enumerate() if "AnyIO" in one.name]
    for thread in left:
        thread.join(60)
        assert not thread.is_alive()
