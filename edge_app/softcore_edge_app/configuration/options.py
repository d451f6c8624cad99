"""Options: the keys of a line's configuration, each with its default, range and description.

`configuration.py` reads them; the tables of `docs/reference/configuration.md` are generated from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator
from softcore_runtime.backends.engine import Engine, Provider
from softcore_runtime.bundle.baseline import ENOUGH

from softcore_edge_app.configuration.alarm_options import DEFAULT_ALARMS, AlarmOptions, add_defaults
from softcore_edge_app.configuration.connection_options import (
    HttpOptions,
    ModbusOptions,
    MqttOptions,
    PostgresOptions,
)
from softcore_edge_app.configuration.trust_options import TrustOptions

__all__ = [
    "ArchiveOptions",
    "CameraOptions",
    "Configuration",
    "DriftOptions",
    "HttpOptions",
    "ModbusOptions",
    "MqttOptions",
    "PostgresOptions",
    "TrustOptions",
]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraOptions(_Options):
    """One camera: where its frames come from, when a part is decided on, and by which bundle."""

    bundle: str | None = Field(
        default=None,
        min_length=1,
        description="a bundle's folder, or its name under `bundles/`; the only bundle there if left out",
    )
    recipes: dict[str, str] = Field(
        default_factory=dict,
        description="instead of `bundle`: bundles by name. The first is in use at the start; PLC, broker, "
        "page or `softcore-edge ask recipe` switch to the others. A switch needs a `ledger`, which notes it",
    )
    shadow: str | None = Field(
        default=None,
        min_length=1,
        description="a bundle on trial, beside `bundle`: it inspects each part after the decision, decides "
        "nothing, and page and ledger show where it differs (docs/how-to/try-a-new-bundle.md)",
    )
    shadows: dict[str, str] = Field(
        default_factory=dict,
        description="the same beside `recipes`: bundles on trial by the names of the recipes that they are "
        "tried beside",
    )
    camera: str | None = Field(
        default=None, description="a camera's index or device, `csi://0`, or a GStreamer pipeline"
    )
    source: str | None = Field(
        default=None,
        description="instead of `camera`: an image, a folder of images, a video, or an `rtsp://` or "
        "`http://` stream",
    )
    trigger: Literal["auto", "interval", "external"] = Field(
        default="auto",
        description="`auto` decides on every frame of a recording, and on a live camera's newest frame "
        "whenever the last decision is made; `interval` decides every `interval` seconds; `external` decides "
        "when a PLC, a broker, a program over HTTP or a person on the page asks for it",
    )
    interval: float | None = Field(
        default=None, gt=0, le=3600, description='seconds between two decisions, for `trigger = "interval"`'
    )
    deadline: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="seconds after its trigger by which a part has its decision; a part without one by then "
        "is INVALID. If left out: 1.0, and no deadline for `auto`",
    )
    queue: int = Field(
        default=16,
        ge=1,
        le=10_000,
        description="how many triggers may wait for their decision; further ones are INVALID at once, and so "
        "are those that could not be decided on before their deadline at the pace of the last parts",
    )
    latency: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="seconds from the moment that a live frame shows until it is here: a trigger gets the "
        "first frame that comes so long after it. Streams are 0.1 to 2 seconds behind",
    )
    patience: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="seconds without a frame after which a camera counts as silent and is opened again",
    )
    frozen_after: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="seconds for which a camera may give the very same image before it counts as frozen",
    )
    exposure: float | None = Field(
        default=None, description="exposure in the driver's own units; unchanged if left out"
    )
    properties: dict[str, float] = Field(
        default_factory=dict,
        description="further OpenCV properties by their names without `CAP_PROP_`: "
        "`{ gain = 4, auto_exposure = 1 }`",
    )

    @property
    def time_allowed(self) -> float | None:
        """Seconds from a trigger to its deadline; None if there is none."""
        return 1.0 if self.deadline is None and self.trigger != "auto" else self.deadline

    @field_validator("camera", mode="before")
    @classmethod
    def _accept_index(cls, camera: Any) -> Any:
        return str(camera) if type(camera) is int else camera  # camera = 0, as a person writes it


class ArchiveOptions(_Options):
    """Images that are kept: of all FAIL, REVIEW and INVALID, and of a share of PASS."""

    folder: Path = Field(
        description="where they are kept; no other line may use this folder. `softcore-edge replay` reads it"
    )
    pass_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of the PASS that is kept; of FAIL, REVIEW and INVALID all are kept",
    )
    max_gigabytes: float = Field(
        default=10.0,
        gt=0,
        description="size in units of 10^9 bytes; above it the oldest PASS are deleted first, then INVALID, "
        "REVIEW and FAIL",
    )
    max_days: float = Field(
        default=90.0, gt=0, description="age in days after which images are deleted, whatever the decision"
    )


class DriftOptions(_Options):
    """When scores, images or the share of FAIL count as drifting away from their references."""

    fast: int = Field(
        default=20, ge=2, le=10_000, description="number of parts that the fast alarm averages over"
    )
    slow: int = Field(
        default=500, ge=10, le=100_000, description="number of parts that the slow alarm averages over"
    )
    sigmas: float = Field(
        default=6.0,
        gt=0,
        le=100,
        description="how many of its standard deviations an average must be off to raise an alarm",
    )
    least: float = Field(
        default=0.05, gt=0, le=10, description="and by which share of the reference it must be off at least"
    )
    learn: int = Field(
        default=200,
        ge=ENOUGH,
        le=10_000,
        description="number of parts from which a reference is learned that the bundle doesn't hold",
    )
    fail_share: float = Field(
        default=0.1, gt=0, lt=1, description="largest share of the parts that is usually FAIL"
    )
    review_share: float = Field(
        default=0.3, gt=0, lt=1, description="largest share of the parts that is usually REVIEW"
    )


class Configuration(CameraOptions):
    """A line: its cameras, what decides on their frames, what becomes of the decisions.

    Each field is a key of the file; where there is an option of the command by that name, `_` is `-`, and
    every key can be given by `--set KEY=VALUE`. Relative paths start at the folder that the command is
    started in, wherever the file lies. A line of one camera says what `CameraOptions` has at the top; one of
    several has a table `[cameras.NAME]` for each.
    """

    cameras: dict[str, CameraOptions] = Field(
        default_factory=dict, description="a table `[cameras.NAME]` for each camera, for a line of several"
    )
    save_overlays: Path | None = Field(
        default=None, description="folder into which an image of every decision is written"
    )
    ledger: Path | None = Field(
        default=None,
        description="file in which every decision is entered before it is published; `mqtt`, `modbus` and "
        "`postgres` need one",
    )
    json_lines: bool = Field(
        default=False, alias="json", description="write one JSON object per decision on standard output"
    )
    frames: int | None = Field(
        default=None, ge=1, description="stop after this many triggers of each camera; no end if left out"
    )
    unchecked: bool = Field(
        default=False,
        description="inspect also frames that are far darker, brighter, flatter or more blurred than all "
        "training images (else they are INVALID)",
    )
    fast: bool = Field(
        default=False, description="only decide: no anomaly maps, no overlays, and scores may be bounds"
    )
    engine: Engine | Literal["auto"] = Field(
        default="auto",
        description="what runs the network; `auto` takes what the bundle was learned with, or else what is "
        "installed",
    )
    provider: Provider | Literal["auto"] = Field(
        default="auto",
        description="what computes; `auto` takes the first of `tensorrt`, `cuda` and `cpu` that can here",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="threads of network and index; if left out, as many as the CPUs that affinity and the "
        "quota of a container or service leave to this process",
    )
    shifts: tuple[Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")], ...] = Field(
        default=(),
        description='when shifts begin by the clock, `["06:00", "14:00", "22:00"]`: the page counts the '
        "running one, from the ledger, and reports are made of each. Without this key a shift begins with "
        "the line, and at midnight",
    )
    time_zone: str | None = Field(
        default=None,
        description="time zone of `shifts` and of the reports' times, such as `Europe/Berlin`; if left out "
        "this machine's",
    )
    log: Literal["text", "json"] = Field(default="text", description="the form of messages on standard error")
    mqtt: MqttOptions | None = Field(default=None, description="a broker; see the table `[mqtt]`")
    modbus: ModbusOptions | None = Field(default=None, description="a PLC; see the table `[modbus]`")
    postgres: PostgresOptions | None = Field(
        default=None, description="a database; see the table `[postgres]`"
    )
    http: HttpOptions | None = Field(default=None, description="the HTTP port; see the table `[http]`")
    archive: ArchiveOptions | None = Field(
        default=None, description="images that are kept; see the table `[archive]`"
    )
    trust: TrustOptions | None = Field(
        default=None,
        description="whose signatures bundles must have; see the table `[trust]`. Without it any bundle is "
        "taken",
    )
    drift: DriftOptions = Field(
        default=DriftOptions(), description="when good parts change; see the table `[drift]`"
    )
    alarms: dict[str, AlarmOptions] = Field(
        default=dict(DEFAULT_ALARMS),
        description="a table `[alarms.NAME]` for each rule that raises an alarm, beside those that a line "
        "has without being told",
    )

    @field_validator("alarms", mode="before")
    @classmethod
    def _add_default_alarms(cls, alarms: Any) -> Any:
        return add_defaults(alarms)

    @field_validator("shifts")
    @classmethod
    def _check_shifts(cls, shifts: tuple[str, ...]) -> tuple[str, ...]:
        for start in shifts:
            if shifts.count(start) > 1:
                raise ValueError(f"{start} is there twice")
        return tuple(sorted(shifts))

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (OSError, ValueError, ZoneInfoNotFoundError) as error:
                raise ValueError(
                    f"no time zone {zone!r} is known here; take one such as Europe/Berlin"
                ) from error
        return zone
