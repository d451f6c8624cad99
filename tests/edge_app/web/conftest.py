"""What the tests of the port share: a line that is none, its decisions, a server with a token.

The server has a ledger of 60 parts (some INVALID, some FAIL) and an archive of all but the last
ten, which are in its memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.configuration.options import ArchiveOptions, HttpOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.ledger.note import Change, Note
from softcore_edge_app.outputs.archive import Archive
from softcore_edge_app.pipeline.controls import CameraStatus, Difference, Status, View
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime import Bound, Decision, InspectionResult
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import BundleCorruptError, UsageError
from softcore_runtime.images.preprocessing import Window

TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else
SECOND = 10**9
START = time.time_ns() // SECOND * SECOND - 600 * SECOND  # an archive keeps nothing for years
METRICS = (b"# TYPE softcore_up gauge\nsoftcore_up 1.0\n", "text/plain; version=0.0.4; charset=utf-8")
WELL = Status(
    cameras=(
        CameraStatus(
            name="left", fault=None, reopened=0, recipe="pill", recipes=("pill", "cap"), category="pill",
            bundle="0" * 64, threshold=12.0, fail_above=13.0, waiting=0, capacity=16, triggers=3, decisions=3,
        ),
    ),
    outputs=(OutputStatus(name="mqtt", fault=None, delivered=1, backlog=2, failures=3),),
    ledger_fault=None,
    stuck=None,
    alarms=("scores drift",),
)  # fmt: skip


ALARM = AlarmStatus(
    camera="left", rule="fail-run", level="alarm", state="raised", holds=True, since=1, watched="FAIL",
    matches=10, parts=10, change=None, of_shift=False,
    text="left: 10 of the last 10 parts are FAIL (rule fail-run)", acknowledged_by=None,
    acknowledged_at=None, raises=1,
)  # fmt: skip


def write_token(folder: Path) -> Path:
    path = folder / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def make_decided(number: int, **fields: Any) -> PublishedDecision:
    entry = DecisionRecord(
        **{
            "trigger": f"t{number}", "part": f"part {number}", "name": "frame", "camera": "left",
            "category": "pill", "bundle": "0" * 64, "decision": Decision.PASS, "score": 6.0,
            "bound": "exact", "threshold": 12.0, "fail_above": 13.0, "engine": "onnxruntime",
            "provider": "CPU", "precision": "fp32", "triggered_at": 1, "deadline_at": 2, "decided_at": 2,
            "milliseconds": 4.5, "reason": None,
            **fields,
        }
    )  # fmt: skip
    return PublishedDecision(entry, frame=None, result=None)


def inspect(decision: str) -> InspectionResult:
    """An inspection of 18 or 6, by a threshold of 12, that saw something to the upper right."""
    scores = np.full((8, 8), 3.0, np.float32)
    scores[1:3, 5:7] = 18.0 if decision == "FAIL" else 6.0
    return InspectionResult(
        decision=Decision(decision), score=float(scores.max()), bound=Bound.EXACT, threshold=12.0,
        fail_above=13.0, window=Window(x=0, y=0, width=120, height=90), certified_by_hint=0, by_hnsw=0,
        exact=64, milliseconds=4.5, provider="cpu", seal="0" * 64, patch_scores=scores,
        anomaly_map=np.zeros((32, 32), np.float32),
    )  # fmt: skip


@dataclass
class FakeLine:
    """Controls that remember what was asked for; `goes_on` holds back a change of recipe."""

    status: Status = WELL
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)
    switching: threading.Event = field(default_factory=threading.Event)
    image: np.ndarray | None = None
    ledger: Ledger | None = None
    differences: list[Difference] = field(default_factory=list)

    def trigger(self, camera: str | None = None, part: str | None = None, by: str | None = None) -> str:
        assert by in ("http", "page")
        if camera not in (None, "left"):
            raise UsageError(f"there is no camera {camera}; there are: left")
        self.asked.append(("trigger", camera, part))
        return f"t{len(self.asked)}"

    def trigger_by_hand(self, camera: str | None, part: str | None, by: str) -> str:
        trigger = self.trigger(camera, part, "page")
        self.asked.append(("by hand", by))
        return trigger

    def note_mark(self, trigger: str, camera: str, before: str | None, after: str | None, by: str) -> Note:
        self.asked.append(("mark", trigger, camera, before, after, by))
        change = Change("mark", camera, trigger, before, after, by)
        if self.ledger:
            return self.ledger.note(change)
        return Note.chain(change, len(self.asked), 1, row=1, row_hash="", previous="")

    def change_threshold(
        self, value: float, fail_above: float | None, camera: str | None, by: str
    ) -> tuple[Threshold, Threshold]:
        if camera not in (None, "left"):
            raise UsageError(f"there is no camera {camera}; there are: left")
        self.asked.append(("limit", value, fail_above, camera, by))
        old = Threshold(value=12.0, fail_above=13.0, provisional=False, method="before")
        return old, Threshold(value=value, fail_above=fail_above, provisional=False, method="now")

    def acknowledge_alarm(self, rule: str, camera: str | None, by: str) -> AlarmStatus:
        if camera not in (None, "left") or rule != ALARM.rule:
            raise UsageError(f"there is no alarm {rule}; there are: {ALARM.rule}")
        self.asked.append(("alarm", rule, camera, by))
        return replace(ALARM, state="acknowledged", acknowledged_by=by, acknowledged_at=1)

    def set_running(self, running: bool, camera: str | None, by: str) -> None:
        if camera not in (None, "left"):
            raise UsageError(f"there is no camera {camera}; there are: left")
        self.asked.append(("running", running, camera, by))

    def view(self, camera: str | None) -> View:
        if camera not in (None, "left"):
            raise UsageError(f"there is no camera {camera}; there are: left")
        return View(self.image, np.array([[90.0, 20.0, 4.0], [91.0, 21.0, 6.0], [92.0, 22.0, 5.0]]))

    def list_differences(self, camera: str | None) -> list[Difference]:
        if camera not in (None, "left"):
            raise UsageError(f"there is no camera {camera}; there are: left")
        return self.differences

    def promote_shadow(
        self,
        camera: str | None,
        by: str,
        *,
        recipe: str | None = None,
        bundle: str | None = None,
        force: bool = False,
    ) -> tuple[Path, Path]:
        if camera not in (None, "left"):
            raise UsageError(f"there is no camera {camera}; there are: left")
        self.asked.append(("promote", camera, recipe, bundle, force, by))
        return Path("bundles/pill"), Path("bundles/pill-new")

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        self.switching.set()
        assert self.goes_on.wait(60)
        if recipe == "torn":
            raise BundleCorruptError("no\udcfftext/bank.npy: changed")
        if recipe not in ("pill", "cap"):
            raise UsageError(f"there is no recipe {recipe}; there are: pill, cap")
        self.asked.append(("recipe", camera, recipe, by))

    def describe(self) -> Status:
        return self.status

    def change(self, **camera: Any) -> None:
        self.status = replace(self.status, cameras=(replace(self.status.cameras[0], **camera),))


@pytest.fixture(scope="module")
def _line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def line(_line: FakeLine) -> Iterator[FakeLine]:
    _line.status = WELL
    _line.asked.clear()
    _line.differences = []
    _line.image = None
    _line.switching.clear()
    _line.goes_on.set()
    yield _line
    _line.goes_on.set()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return write_token(tmp_path)


@pytest.fixture
def serve(line: FakeLine) -> Iterator[Callable[..., WebServer]]:
    """A function that starts a server on a free port, with further options."""
    started = []

    def start(**options: Any) -> WebServer:
        server = WebServer(HttpOptions(**{"port": 0, **options}), line, lambda: METRICS)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="module")
def parts() -> list[PublishedDecision]:
    """The parts of the server's ledger, without their numbers."""
    made = []
    for number in range(60):
        decision = "INVALID" if number % 10 == 9 else "FAIL" if number % 7 == 6 else "PASS"
        valid = decision != "INVALID"
        fields = {
            "trigger": f"t{number}", "decision": decision, "score": (18.0 if decision == "FAIL" else 6.0)
            if valid else None, "bound": "exact" if valid else None, "milliseconds": 4.5 if valid else None,
            "reason": None if valid else "no new frame for 2.0 s (the camera is being reopened)",
            "triggered_at": START + number * SECOND, "decided_at": START + number * SECOND + 10**7,
            "x": 0.7 if valid else None, "y": 0.2 if valid else None,
        }  # fmt: skip
        part = make_decided(number, **fields)
        image = np.full((90, 120, 3), 100 + number, np.uint8)
        frame = Frame(number + 1, "frame", image) if valid else Frame(number + 1, "frame", reason="none")
        made.append(replace(part, frame=frame, result=inspect(decision) if valid else None))
    return made


@pytest.fixture(scope="module")
def _server(
    _line: FakeLine, parts: list[PublishedDecision], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("http")
    file = write_token(folder)
    archive = Archive(ArchiveOptions(folder=folder / "archive", pass_share=1.0))
    for part in parts[:50]:
        archive.keep(part)
    archive.close(60)
    assert archive.kept == 50
    with Ledger.open(folder / "line.ledger") as ledger:
        rows = ledger.append_all([part.record for part in parts])
        _line.ledger = ledger
        made = WebServer(
            HttpOptions(port=0, token_file=file, names=("line-3.factory",)),
            _line,
            lambda: METRICS,
            ledger=ledger.path,
            archive=folder / "archive",
        )
        for part, row in zip(parts[50:], rows[50:], strict=True):
            made.publish(replace(part, record=row.record))
        made.start()
        yield made
        made.close()


@pytest.fixture
def server(_server: WebServer, line: FakeLine) -> WebServer:  # noqa: ARG001 - the line as it should be
    """A server with a token; one for all tests of a module, not to be closed."""
    return _server


@pytest.fixture
def client(server: WebServer) -> Iterator[httpx.Client]:
    """Who shows the token."""
    with httpx.Client(base_url=server.url, timeout=30, headers={"X-SoftCore-Token": TOKEN}) as made:
        yield made


@pytest.fixture
def stranger(server: WebServer) -> Iterator[httpx.Client]:
    """Who shows none."""
    with httpx.Client(base_url=server.url, timeout=30) as made:
        yield made


@pytest.fixture
def decide() -> Callable[..., PublishedDecision]:
    """A function that makes the decision of a number, with further fields of its entry."""
    return make_decided
