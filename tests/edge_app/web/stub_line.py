"""Stub line: answers the operator's page as a line does, without cameras or a bundle.

As a program it serves the page with drawn parts::

    python -m tests.edge_app.web.stub_line --rate 10 --port 8770
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import uvicorn
from fastapi import HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.decisions.phrases import read_all, read_phrases
from softcore_edge_app.ledger.layout import TABLES
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.queries.chart_figures import compute_charts
from softcore_edge_app.web.charts.chart_api import ChartReport, describe_charts
from softcore_edge_app.web.guard import RequestGuard
from softcore_edge_app.web.page import PAGE_SOURCES, add_page
from softcore_edge_app.web.people.people import People
from softcore_edge_app.web.people.people_api import make_people_api, make_session_api
from softcore_edge_app.web.people.requirement import OPEN, ByOperator, BySetter, find_person
from softcore_edge_app.web.threshold.drastic_change import is_drastic
from softcore_edge_app.web.threshold.preview import Preview
from softcore_runtime import Decision
from softcore_runtime.web.local_page import make_app
from starlette.middleware import Middleware

__all__ = ["TOKEN", "StubLine"]

TOKEN = "a-token-for-the-page-0123"  # noqa: S105 - opens nothing else
PILLS = Path(__file__).parents[2] / "recordings" / "pill"
LOOKED_THROUGH = 100  # rows by one answer, so that a search takes several
SHIFTS = ["06:00", "14:00", "22:00"]
DECISIONS = ("PASS", "REVIEW", "FAIL", "INVALID")


FAULTS = {  # where each was drawn: its middle and radii, in pixels of 320
    "02_crack": (135, 147, 32, 15), "05_contamination": (146, 142, 27, 17), "07_chip": (159, 103, 27, 14),
    "08_faulty_print": (108, 164, 35, 25), "10_colour": (212, 188, 18, 14),
    "12_contamination": (159, 182, 26, 30),
}  # fmt: skip


SHAPES = {"wide": (2190, 219), "tall": (219, 2190), "black": (320, 240)}  # width and height, as they are sent
KINDS = ("frame", "overlay", "map", "thumbnail", "peak")


class Images:
    """The drawn parts, each with its outline and map."""

    def __init__(self) -> None:
        frames = {path.stem: cv2.imread(str(path)) for path in sorted(PILLS.glob("*.png"))}
        self.good = [name for name in frames if name not in FAULTS]
        self.bad = [name for name in frames if name in FAULTS]
        self._files = {
            (name, kind): cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
            for name, frame in frames.items()
            for kind, image in _draw(frame, FAULTS.get(name)).items()
        }
        for name, (width, height) in SHAPES.items():
            frame = np.full((height, width, 3), 0 if name == "black" else 150, np.uint8)
            if name != "black":
                cv2.circle(frame, (round(0.8 * width), round(0.4 * height)), 9, (20, 20, 60), -1)
            content = cv2.imencode(".jpg", frame)[1].tobytes()
            self._files |= {(name, kind): content for kind in KINDS}

    def read(self, name: str, kind: str) -> bytes:
        return self._files[name, kind]


def _draw(frame: np.ndarray, fault: tuple[int, int, int, int] | None) -> dict[str, np.ndarray]:
    large = cv2.resize(frame, (640, 640), interpolation=cv2.INTER_CUBIC)
    outlined, strength = large.copy(), np.full((640, 640), 0.1)
    if fault:
        x, y, width, height = (2 * value for value in fault)
        for colour, thick in (((0, 0, 0), 7), ((255, 255, 255), 3)):
            cv2.ellipse(outlined, (x, y), (width, height), 0, 0, 360, colour, thick, cv2.LINE_AA)
        down, across = np.mgrid[:640, :640]
        strength += np.exp(-(((across - x) / width) ** 2 + ((down - y) / height) ** 2))
    colours = cv2.applyColorMap((255 * strength.clip(0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = (0.2 + 0.6 * strength.clip(0, 1))[:, :, None]
    return {
        "frame": large, "overlay": outlined, "thumbnail": cv2.resize(large, (160, 160)),
        "peak": _cut_out(large, fault),
        "map": ((1 - alpha) * large + alpha * colours).astype(np.uint8),
    }  # fmt: skip


def _cut_out(image: np.ndarray, fault: tuple[int, int, int, int] | None) -> np.ndarray:
    x, y = (2 * value for value in (fault or (160, 160))[:2])
    return cv2.resize(image[y - 80 : y + 80, x - 80 : x + 80], (320, 320), interpolation=cv2.INTER_CUBIC)


@cache
def draw_parts() -> Images:
    """Return the same images for every line of the process: drawing them takes half a second."""
    return Images()


@dataclass
class StubLine:
    """A stub of a line, served on a port that stays the same after a restart.

    Attributes:
        rate: parts a second that come by themselves.
        cameras, recipes: their names.
        title: what it is called.
        ledger, token: whether it has one.
        indexed: whether the ledger has its index.
        threshold, fail_above: in use.
        changes: what was changed, and how, in order.
        focus: answers to the focus help, in order.
        refusal: the error of every change; None if changes are made.
        people: the file of who may change something, each by a role.
        idle: seconds after which a session ends.
    """

    rate: float = 0.0
    cameras: tuple[str, ...] = ("left",)
    recipes: tuple[str, ...] = ("pill", "pill blue", "capsule")
    trigger: str = "external"
    title: str = "Line 3"
    ledger: bool = True
    indexed: bool = True
    token: bool = True
    threshold: float = 12.0
    fail_above: float = 12.0
    changes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    focus: Iterator[dict[str, Any]] = field(
        default_factory=lambda: itertools.cycle(
            {"sharpness": 300 + 15 * (30 - abs(30 - i)), "lowest": 250.0, "typical": 640.0} for i in range(60)
        )
    )
    refusal: str | None = None
    people: Path | None = None
    idle: float = 900

    def __post_init__(self) -> None:
        self.known = People(self.people, self.idle, 36_000)
        self.images = draw_parts()
        self.port = 0
        self.silent = self.mute = False
        self.gives_images = threading.Event()  # while it isn't set, images are held back
        self.gives_images.set()
        self.charted = 0  # requests for charts
        self.status: dict[str, Any] = {
            "stuck": None, "alarms": [], "open_alarms": [], "ledger_fault": None, "drift": [],
            "disk": {"free_gigabytes": 118.4, "fault": None},
            "outputs": [self.output("modbus"), self.output("mqtt")],
        }  # fmt: skip
        self.rows: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.state = {
            name: {"running": True, "fault": None, "recipe": self.recipes[0], "shadow": None}
            for name in self.cameras
        }
        self._lock = threading.RLock()
        self._random = random.Random(7)  # noqa: S311 - nothing is kept secret by it
        self._server: uvicorn.Server | None = None
        self._threads: list[threading.Thread] = []
        self._begin()

    def _begin(self) -> None:
        self.run = f"run {time.time_ns()}"
        self.since = time.time_ns()
        self.seq = 0
        self.counts = {name: Counter(dict.fromkeys(DECISIONS, 0)) for name in self.cameras}
        self.events: deque[tuple[str, Any]] = deque(maxlen=2000)
        self.fetched: list[str] = []  # images, by trigger
        self.sent = 0  # events so far
        self._stopping = threading.Event()

    @staticmethod
    def alarm(rule: str = "fail-share", **fields: Any) -> dict[str, Any]:
        """One that is raised; of the images where it has a `change`."""
        return {
            "camera": "left", "rule": rule, "level": "alarm", "state": "raised", "holds": True,
            "since": time.time_ns(), "watched": "FAIL", "matches": 20, "parts": 50, "change": None,
            "text": f"left: 20 of the last 50 parts are FAIL (rule {rule})", "acknowledged_by": None,
            "acknowledged_at": None, "raises": 1, **fields,
        }  # fmt: skip

    @staticmethod
    def output(name: str, fault: str | None = None, backlog: int = 0) -> dict[str, Any]:
        return {
            "name": name,
            "fault": fault,
            "delivered": 1234,
            "backlog": backlog,
            "failures": 0,
            "essential": name != "postgres",
        }

    # --- What happens on the line -------------------------------------------------------------------

    def decide(
        self,
        decision: str | None = None,
        *,
        camera: str | None = None,
        share: float | None = None,
        reason: str = "late: no decision within 100 ms",
        part: str | None = None,
        at: int | None = None,
        send: bool = True,
        image: bool | None = None,
        drawn: str | None = None,
    ) -> dict[str, Any]:
        """Decide on one more part; `send` False sends no event, `drawn` names its image."""
        camera = camera or self.cameras[0]
        with self._lock:
            self.seq += 1
            if decision is None:
                decision = self._random.choices(
                    DECISIONS, (94, 0 if self.fail_above == self.threshold else 2, 5, 1)
                )[0]
            name = self._random.choice(self.images.good if decision == "PASS" else self.images.bad)
            name = drawn or name
            if share is None and decision != "INVALID":
                spread = {"PASS": (0.62, 0.86), "REVIEW": (1.0, 1.1), "FAIL": (1.2, 2.7)}[decision]
                share = round(self._random.uniform(*spread), 4)
            now = at or time.time_ns()
            number = len(self.rows) + 1
            x, y, *_ = FAULTS.get(name, (256, 128) if name in SHAPES else (160, 160))
            x, y = (None, None) if decision == "INVALID" else (x / 320, y / 320)
            row = {
                "number": number, "trigger": f"t{number:06}", "part": part or f"{100_000 + number}",
                "name": f"{name}.png", "camera": camera, "category": "pill", "bundle": "0" * 64,
                "decision": decision, "score": share and share * self.threshold, "bound": share and "exact",
                "threshold": self.threshold, "fail_above": self.fail_above, "engine": "openvino",
                "provider": "CPU", "precision": "bf16", "triggered_at": now - 12_000_000,
                "deadline_at": now + 88_000_000, "decided_at": now, "milliseconds": share and 4.6,
                "reason": reason if decision == "INVALID" else None,
                "kind": find_kind(reason) if decision == "INVALID" else None,
                "phrases": [asdict(one) for one in read_phrases(reason)] if decision == "INVALID" else [],
                "x": x, "y": y, "share": share,
                "mark": None, "picture": decision != "INVALID" if image is None else image, "drawn": name,
            }  # fmt: skip
            self.rows.append(row)
            self.counts[camera][decision] += 1
            if send:
                event = {key: value for key, value in row.items() if key not in ("mark", "drawn")}
                self._send("decision", {**event, "seq": self.seq, "number": number if self.ledger else None})
        return row

    def drop(self, count: int) -> None:
        """Decide on `count` parts without events, and send the event `dropped`."""
        for _ in range(count):
            self.decide("PASS", send=False)
        self._send("dropped", {"count": count})

    def change(self, **status: Any) -> None:
        """Change something of the status, and send it."""
        self.status.update(status)
        self._send("status", self.describe())

    def note(
        self, kind: str, camera: str | None, subject: str | None, before: Any, after: Any, by: str = "page"
    ) -> int:
        number = len(self.notes) + 1
        note = {
            "number": number, "at": time.time_ns(), "kind": kind, "camera": camera, "subject": subject,
            "before": before, "after": after, "by": by,
        }  # fmt: skip
        self.notes.append(note)
        self._send("note", note)
        return number

    def _send(self, kind: str, data: Any) -> None:
        with self._lock:
            self.events.append((kind, data))
            self.sent += 1

    def total(self, camera: str | None = None) -> dict[str, int]:
        some = [self.counts[camera]] if camera else list(self.counts.values())
        return {decision: sum(one[decision] for one in some) for decision in DECISIONS}

    def describe(self) -> dict[str, Any]:
        with self._lock:
            minutes = max(1e-9, (time.time_ns() - self.since) / 60e9)
            cameras = [
                {
                    "name": name, "reopened": 0, "recipes": self.recipes, "category": "pill",
                    "bundle": "0" * 64, "threshold": self.threshold, "fail_above": self.fail_above,
                    "waiting": 0, "capacity": 16, "triggers": self.seq, "decisions": self.seq, "live": True,
                    "trigger": self.trigger, **self.state[name],
                }
                for name in self.cameras
            ]  # fmt: skip
            by_camera = {
                name: {
                    "counts": self.total(name),
                    "per_minute": sum(self.total(name).values()) / max(minutes, 1 / 60),
                }
                for name in self.cameras
            }
            shift = {
                "since": self.since, "until": self.since + 8 * 3600 * 10**9, "starts": SHIFTS,
                "run": self.run, "seq": self.seq, "counts": self.total(),
                "per_minute": sum(one["per_minute"] for one in by_camera.values()), "cameras": by_camera,
            }  # fmt: skip
            faults = [f"camera {name}: {one['fault']}" for name, one in self.state.items() if one["fault"]]
            report = {
                "title": self.title,
                "ready": not faults, "reasons": faults, "cameras": cameras, "shift": shift,
                "ledger": self.ledger, "token": self.token, "people": self.known.exist, **self.status,
            }  # fmt: skip
            return {**report, "phrases": self._read_phrases(report)}

    def _read_phrases(self, report: dict[str, Any]) -> dict[str, Any]:
        faulty = [*report["cameras"], *report["outputs"], report["disk"] or {}]
        texts = [one.get("fault") for one in faulty]
        read = read_all([*texts, report["ledger_fault"], report["stuck"], *report["alarms"]])
        return {text: [asdict(phrase) for phrase in phrases] for text, phrases in read.items()}

    # --- Serving ------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Serve, on the port that it had before."""
        self._begin()
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._make_app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        serve = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        work = threading.Thread(target=self._work, daemon=True)
        self._threads = [serve, work]
        for thread in self._threads:
            thread.start()
        self._listener = listener

    def stop(self) -> None:
        """End; listeners are disconnected."""
        if self._server is None:
            return
        self._stopping.set()
        self.gives_images.set()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._server = None

    def __enter__(self) -> StubLine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(0.01 if self.rate else 0.05):
            if not self.rate:
                due = time.monotonic()
            while self.rate and due <= time.monotonic():
                due += 1 / self.rate
                camera = self.cameras[self.seq % len(self.cameras)]
                if self.state[camera]["running"]:
                    self.decide(camera=camera)

    async def _listen(self, last: str | None) -> AsyncIterator[bytes]:
        place = self.sent
        if last:
            with self._lock:
                known = [data.get("trigger") for _, data in self.events]
            place = self.sent - len(known) + (known.index(last) + 1 if last in known else 0)
            if last not in known:
                yield _format("dropped", {"count": None})
        yield b"retry: 300\n\n"
        while not self._stopping.is_set():
            if self.silent:
                await asyncio.sleep(0.05)
                continue
            with self._lock:
                first = self.sent - len(self.events)
                fresh = list(itertools.islice(self.events, max(0, place - first), None))
                place = self.sent
            if fresh and not self.mute:
                yield b"".join(_format(*event) for event in fresh)
            await asyncio.sleep(0.02)

    def _make_app(self) -> Any:
        guard = Middleware(
            RequestGuard,
            token=TOKEN if self.token else None,
            find_person=partial(find_person, self.known),
            people_exist=lambda: self.known.exist,
            open_paths=OPEN,
        )
        app = make_app(PAGE_SOURCES, guards=[guard])
        app.include_router(make_session_api(self.known))
        app.include_router(make_people_api(self.known))
        _add_views(app, self)
        _add_changes(app, self)
        add_page(app)
        return app


def _format(kind: str, data: Any) -> bytes:
    lines = [f"event: {kind}", f"data: {json.dumps(data)}"]
    if kind == "decision":
        lines.append(f"id: {data['trigger']}")
    return ("\n".join(lines) + "\n\n").encode()


def _add_views(app: Any, stub: StubLine) -> None:
    @app.get("/api/status")
    async def status() -> dict[str, Any]:
        while stub.silent and not stub._stopping.is_set():
            await asyncio.sleep(0.05)
        return stub.describe()

    @app.get("/api/events")
    async def events(request: Request) -> StreamingResponse:
        last = request.headers.get("last-event-id")
        return StreamingResponse(stub._listen(last), media_type="text/event-stream")

    @app.get("/api/decisions")
    def decisions(
        limit: int = 50,
        before: int | None = None,
        since: str | None = None,
        until: str | None = None,
        decision: str | None = None,
        camera: str | None = None,
        category: str | None = None,
        min_share: float | None = None,
        max_share: float | None = None,
        marked: str | None = None,
        after: int | None = None,
        at: str | None = None,
        part: str | None = None,
    ) -> dict[str, Any]:
        _need_ledger(stub)
        filters = {
            "since": since, "until": until, "decision": decision, "camera": camera, "category": category,
            "min_share": min_share, "max_share": max_share, "marked": marked,
        }  # fmt: skip
        if stub.indexed:
            return _search(stub, filters, part, limit, before, after, at)
        last = len(stub.rows) if before is None else min(before - 1, len(stub.rows))
        found, number = [], last
        while number > max(0, last - LOOKED_THROUGH) and len(found) < limit:
            row = stub.rows[number - 1]
            number -= 1
            if _fits(row, filters):
                found.append(_show(row))
        return {"rows": found, "next": number + 1 if number > 0 else None, "total": None, "newer": None}

    @app.get("/api/shifts")
    def shifts(day: str) -> dict[str, Any]:
        return {"shifts": [{"day": day, "start": one, "since": 0, "until": 1} for one in SHIFTS]}

    @app.get("/api/decisions/{trigger}")
    def decision(trigger: str) -> dict[str, Any]:
        _need_ledger(stub)
        return _show(_find(stub, trigger))

    @app.get("/api/pictures/{trigger}/{kind}")
    def image(trigger: str, kind: str) -> Response:
        row = _find(stub, trigger)
        if not row["picture"] or kind not in KINDS:
            raise HTTPException(404, "there is no image")
        stub.gives_images.wait(30)
        content = stub.images.read(row["drawn"], kind)
        stub.fetched.append(trigger)
        return Response(
            content, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600, immutable"}
        )

    @app.get("/api/notes")
    def notes(limit: int = 50, before: int | None = None) -> dict[str, Any]:
        _need_ledger(stub)
        some = [note for note in reversed(stub.notes) if before is None or note["number"] < before]
        return {
            "notes": some[:limit],
            "next": some[limit - 1]["number"] if len(some) > limit else None,
        }

    @app.get("/api/limit/preview")
    def preview(
        value: float, camera: str | None = None, fail_above: float | None = None, parts: int = 500
    ) -> dict[str, Any]:
        _need_ledger(stub)
        rows = [row for row in stub.rows if row["score"] and camera in (None, row["camera"])][-parts:]
        then = [(row, _judge(row["score"], value, fail_above or value)) for row in rows]
        changed = [{**_show(row), "then": new} for row, new in then if new != row["decision"]]
        empty = dict.fromkeys((Decision.PASS, Decision.REVIEW, Decision.FAIL), 0)
        now, new = Counter(row["decision"] for row in rows), Counter(new for _, new in then)
        found = Preview(
            len(rows), len(rows), [row["score"] for row in rows], {**empty, **now}, {**empty, **new}, []
        )
        return {**vars(found), "changed": changed[:20], "drastic": is_drastic(found)}

    @app.get("/api/worklist")
    def worklist(limit: int = 20, camera: str | None = None) -> dict[str, Any]:
        _need_ledger(stub)
        rows = [
            row
            for row in stub.rows
            if row["decision"] == "REVIEW" and not row["mark"] and camera in (None, row["camera"])
        ]
        return {"rows": [_show(row) for row in rows[:limit]], "open": len(rows), "since": stub.since}

    @app.get("/api/charts")
    def charts(since: str | None = None, until: str | None = None, camera: str | None = None) -> ChartReport:
        _need_ledger(stub)
        stub.charted += 1
        begin, end = (one and int(_read_time(one) * 1e9) for one in (since, until))
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(TABLES["rows"])
            marks = ", ".join("?" * len(COLUMNS))
            rows = [[row.get(name, "") for name in COLUMNS[:-4]] for row in stub.rows]
            connection.executemany(
                f"INSERT INTO rows VALUES ({marks})",  # noqa: S608
                [[*row, None, None, "", ""] for row in rows],
            )
            return describe_charts(compute_charts(connection, begin or 0, end or time.time_ns(), camera))

    @app.get("/api/shadow")
    def shadow(camera: str | None = None) -> dict[str, Any]:
        rows = [
            _show(row) for row in reversed(stub.rows) if row["camera"] == camera and row["decision"] == "FAIL"
        ]
        return {"rows": [{**row, "shadow": {"decision": "PASS"}} for row in rows]}

    @app.get("/api/focus")
    def focus() -> dict[str, Any]:
        return next(stub.focus)

    @app.get("/api/focus/picture")
    def focus_image() -> Response:
        return Response(stub.images.read("01_good", "frame"), media_type="image/jpeg")

    @app.get("/api/report")
    def report(
        form: str,
        language: str,
        since: str | None = None,
        until: str | None = None,
        day: str | None = None,
        start: str | None = None,
        shown: bool = False,
        theme: str | None = None,
    ) -> Response:
        request = {"form": form, "since": since, "until": until, "language": language, "theme": theme}
        if day is not None:
            request |= {"day": day, "start": start}
        stub.changes.append(("report", request))
        content = "<!DOCTYPE html><title>shift</title>" if form == "html" else "decision,parts\nPASS,3\n"
        headers = {"Content-Disposition": f'attachment; filename="shift.{form}"'}
        if shown:
            headers = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'"}
        return Response(content, media_type=f"text/{form}", headers=headers)


def _add_changes(app: Any, stub: StubLine) -> None:
    def do(kind: str, body: dict[str, Any]) -> None:
        if stub.refusal is not None:
            raise HTTPException(409, stub.refusal)
        stub.changes.append((kind, body))

    @app.post("/api/token")
    def check_token() -> dict[str, Any]:
        return {"ok": True}

    @app.post("/api/marks")
    def mark(body: dict[str, Any], by: ByOperator) -> dict[str, Any]:
        do("mark", body)
        row = _find(stub, body["trigger"])
        before, row["mark"] = row["mark"], body["mark"]
        return {"note": stub.note("mark", row["camera"], row["trigger"], before, body["mark"], by)}

    @app.post("/api/worklist")
    def settle(body: dict[str, Any], by: ByOperator) -> dict[str, Any]:
        if _find(stub, body["trigger"])["mark"]:
            raise HTTPException(409, "this part is settled already")
        return mark(body, by)

    @app.post("/api/alarms/acknowledge")
    def acknowledge(body: dict[str, Any], by: ByOperator) -> dict[str, Any]:
        do("alarm", body)
        alarms = stub.status["open_alarms"]
        found = next(one for one in alarms if (one["camera"], one["rule"]) == (body["camera"], body["rule"]))
        found.update(state="acknowledged", acknowledged_by=by, acknowledged_at=time.time_ns())
        if not found["holds"]:
            alarms.remove(found)
        stub.note("alarm", body["camera"], body["rule"], "raised", "acknowledged", by)
        stub.change()
        return dict(found)

    @app.post("/api/limit")
    def threshold(body: dict[str, Any], by: BySetter) -> dict[str, Any]:
        do("limit", body)
        old, stub.threshold = stub.threshold, body["value"]
        stub.fail_above = body.get("fail_above", body["value"])
        stub.note("limit", body["camera"], None, old, stub.threshold, by)
        stub.change()
        return {"old": old, "new": stub.threshold}

    @app.post("/api/recipe")
    def recipe(body: dict[str, Any], by: BySetter) -> dict[str, Any]:
        do("recipe", body)
        state = stub.state[body["camera"]]
        old, state["recipe"] = state["recipe"], body["recipe"]
        stub.note("recipe", body["camera"], None, old, body["recipe"], by)
        stub.change()
        return {"recipe": body["recipe"]}

    @app.post("/api/trigger")
    def trigger(body: dict[str, Any], by: ByOperator) -> dict[str, Any]:
        do("trigger", body)
        row = stub.decide("PASS", camera=body["camera"])
        stub.note("trigger", body["camera"], row["trigger"], None, None, by)
        return {"trigger": row["trigger"]}

    @app.post("/api/running")
    def running(body: dict[str, Any], by: BySetter) -> dict[str, Any]:
        do("running", body)
        state = stub.state[body["camera"]]
        old, state["running"] = state["running"], body["running"]
        stub.note("running", body["camera"], None, old, body["running"], by)
        stub.change()
        return {"running": body["running"]}


def _need_ledger(stub: StubLine) -> None:
    if not stub.ledger:
        raise HTTPException(409, "needs a ledger")


def _find(stub: StubLine, trigger: str) -> dict[str, Any]:
    for row in reversed(stub.rows):
        if row["trigger"] == trigger:
            return row
    raise HTTPException(404, f"there is no trigger {trigger}")


def _search(
    stub: StubLine, filters: dict[str, Any], part: str | None, limit: int, before: int | None,
    after: int | None, at: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Search as a line does whose ledger has an index."""
    found = [row for row in stub.rows if _fits(row, filters)]
    if part is not None:
        exact = any(row["part"] == part for row in stub.rows)
        found = [row for row in found if row["part"] == part or (not exact and row["part"].startswith(part))]
    until = _read_time(at) if at else None
    shown = [
        row
        for row in found
        if (before is None or row["number"] < before)
        and (after is None or row["number"] > after)
        and (until is None or row["triggered_at"] / 1e9 <= until)
    ]
    page = shown[:limit] if after is not None else shown[-limit:]
    newer = len(found) - found.index(page[-1]) - 1 if page else 0 if after is not None else len(found)
    older = page and found[0] is not page[0]
    return {
        "rows": [_show(row) for row in reversed(page)], "next": page[0]["number"] if older else None,
        "total": len(found), "newer": newer,
    }  # fmt: skip


def _show(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "drawn"}


def _judge(score: float, threshold: float, fail_above: float) -> str:
    return "PASS" if score <= threshold else "FAIL" if score > fail_above else "REVIEW"


def _fits(row: dict[str, Any], filters: dict[str, Any]) -> bool:
    equal = all(filters[name] in (None, row[name]) for name in ("decision", "camera", "category"))
    share, low, high = row["share"], filters["min_share"], filters["max_share"]
    within = (low is None or (share is not None and share >= low)) and (
        high is None or (share is not None and share <= high)
    )
    marked = filters["marked"]
    matches = marked is None or (row["mark"] is not None and marked in ("any", row["mark"]))
    time_ = row["triggered_at"] / 1e9
    after = filters["since"] is None or time_ >= _read_time(filters["since"])
    until = filters["until"] is None or time_ <= _read_time(filters["until"])
    return equal and within and matches and after and until


def _read_time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=2.0, help="parts a second")
    parser.add_argument("--port", type=int, default=8770)
    parser.add_argument("--cameras", nargs="+", default=["left"])
    parser.add_argument("--parts", type=int, default=300, help="that were decided before")
    options = parser.parse_args()
    stub = StubLine(rate=options.rate, cameras=tuple(options.cameras))
    stub.port = options.port
    with stub, contextlib.suppress(KeyboardInterrupt):
        for _ in range(options.parts):
            stub.decide(send=False)
        sys.stdout.write(f"{stub.url} with the token {TOKEN}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
