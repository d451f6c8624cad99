"""Status: the state of a line, for monitoring and for the page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.decisions.phrases import Phrase, read_all
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.health.drift_monitor import DriftReading
from softcore_edge_app.pipeline.controls import CameraStatus, OperatorControls, Status
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.schema import READ_RESPONSES
from softcore_edge_app.web.shifts.shift import ShiftCounter, ShiftReport

__all__ = ["LineStatus", "StatusReport", "make_status_api", "pick_health"]

_GIGABYTE = 10**9
_SCARCE = 0.5  # gigabytes


class HealthReport(BaseModel):
    """Whether all is well, and if not, why, in plain words.

    `alarms` are those that the line's rules have raised and that aren't cleared: the line goes on with them.
    """

    ok: bool
    reasons: list[str]
    alarms: list[str]


class Disk(BaseModel):
    """The disk of ledger and archive: its free space, and what is wrong, in plain words."""

    free_gigabytes: float
    fault: str | None


class StatusReport(BaseModel):
    """The state of the line: whether a part that comes now would be inspected and delivered, and why not.

    `title` is the line's name for people. `ledger` and `token` are whether there is one, `people` whether
    anybody could log in. `disk` is null if nothing is written, `drift` empty until it is measured. `phrases`
    has what these texts say as keys and values, by the text: see `Phrase`.
    """

    title: str
    ready: bool
    reasons: list[str]
    cameras: list[CameraStatus]
    outputs: list[OutputStatus]
    ledger_fault: str | None
    stuck: str | None
    alarms: list[str]
    open_alarms: list[AlarmStatus]
    ledger: bool
    token: bool
    people: bool
    shift: ShiftReport
    drift: list[DriftReading]
    disk: Disk | None
    phrases: dict[str, list[Phrase]]


@dataclass(frozen=True)
class LineStatus:
    """Describes the state of a line.

    Attributes:
        controls: the line.
        shift: its counts.
        token: whether the port has one.
        ledger: the ledger's file; None if there is none.
        folders: other folders that are written to.
        list_drift: returns the drift of the line.
        find_fault: returns what is wrong with the archive, or None.
        title: the line's name for people.
        people_exist: returns whether anybody could log in.
    """

    controls: OperatorControls
    shift: ShiftCounter
    token: bool
    ledger: Path | None = None
    folders: tuple[Path, ...] = ()
    list_drift: Callable[[], Sequence[DriftReading]] = field(default=tuple)
    find_fault: Callable[[], str | None] = field(default=lambda: None)
    title: str = ""
    people_exist: Callable[[], bool] = field(default=lambda: False)

    def describe(self) -> dict[str, Any]:
        """Return the fields of a `StatusReport`; quick, and never blocks."""
        status, disk = self.controls.describe(), self._describe_disk()
        reasons = _find_faults(status)
        return {
            "title": self.title,
            "ready": status.ready,
            "reasons": reasons,
            **asdict(status),
            "ledger": self.ledger is not None,
            "token": self.token,
            "people": self.people_exist(),
            "shift": self.shift.describe(),
            "drift": [asdict(deviation) for deviation in self.list_drift()],
            "disk": disk,
            "phrases": {
                text: [asdict(phrase) for phrase in phrases]
                for text, phrases in read_all(
                    [*_list_texts(status), *reasons, disk["fault"] if disk else None]
                ).items()
            },
        }

    def _describe_disk(self) -> dict[str, Any] | None:
        places = [*([self.ledger.parent] if self.ledger else []), *self.folders]
        if not places:
            return None
        try:
            free, place = min((shutil.disk_usage(place).free / _GIGABYTE, place) for place in places)
        except OSError as error:
            return {"free_gigabytes": 0.0, "fault": f"{error.filename}: {error.strerror}"}
        fault = self.find_fault()
        if fault is None and free < _SCARCE:
            fault = f"{place}: only {free:.2f} GB are free"
        return {"free_gigabytes": round(free, 2), "fault": fault}


def pick_health(report: dict[str, Any]) -> Any:
    """Return the parts of a report that a person wants to know at once; a change of them is an event."""
    camera_keys = ("fault", "reopened", "recipe", "bundle", "threshold", "fail_above", "running")
    disk = report["disk"]
    return (
        report["ready"],
        report["reasons"],
        [[camera[key] for key in camera_keys] for camera in report["cameras"]],
        [
            camera["shadow"] and [camera["shadow"][key] for key in ("path", "fault", "differing")]
            for camera in report["cameras"]
        ],
        [output["fault"] for output in report["outputs"]],
        report["alarms"],
        report["open_alarms"],
        [one["raised"] for one in report["drift"]],
        disk and disk["fault"],
    )


def make_status_api(line: LineStatus) -> APIRouter:
    """Make the routes of the line's state, which everybody who reaches the port may read."""
    views = APIRouter(dependencies=[Depends(refuse_body)], responses=READ_RESPONSES)

    # These stay in the event loop: they are quick, and need no thread, which may be busy.
    @views.get("/healthz", responses={503: _describe_health("Something hangs.")}, response_model=HealthReport)
    async def check_health() -> Response:
        """Whether the process runs and nothing in it hangs; if not, it should be restarted."""
        status = line.controls.describe()
        return _respond([status.stuck] if status.stuck else [], status)

    @views.get("/readyz", responses={503: _describe_health("It would not be.")}, response_model=HealthReport)
    async def check_readiness() -> Response:
        """Whether a part that comes now would be inspected, and its decision entered and delivered."""
        status = line.controls.describe()
        return _respond(_find_faults(status), status)

    @views.get("/api/status", response_model=StatusReport)
    async def report_status() -> Response:
        """The state of the line."""
        return Answer(line.describe())

    return views


def _find_faults(status: Status) -> list[str]:
    """Return why the line isn't ready; empty if it is."""
    faults = []
    for camera in status.cameras:
        if not camera.running:
            faults.append(f"camera {camera.name}: stopped on the page")
        if camera.fault:
            faults.append(f"camera {camera.name}: {camera.fault}")
    if status.ledger_fault is not None:
        faults.append(f"ledger: {status.ledger_fault}")
    if status.stuck is not None:
        faults.append(status.stuck)
    essential = (output for output in status.outputs if output.essential)
    faults.extend(f"{output.name}: {output.fault}" for output in essential if output.fault)
    return faults


def _list_texts(status: Status) -> list[str | None]:
    """Return what the parts of the line say of themselves."""
    cameras = [one.fault for one in status.cameras]
    shadows = [one.shadow.fault for one in status.cameras if one.shadow]
    outputs = [one.fault for one in status.outputs]
    return [*cameras, *shadows, *outputs, status.ledger_fault, status.stuck, *status.alarms]


def _respond(reasons: list[str], status: Status) -> Response:
    alarms = [alarm.text for alarm in status.open_alarms]
    return Answer({"ok": not reasons, "reasons": reasons, "alarms": alarms}, 503 if reasons else 200)


def _describe_health(description: str) -> dict[str, Any]:
    return {"model": HealthReport, "description": description}
