"""Options: what a line can be told, each with its default; `configuration.py` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from softcore_runtime.baseline import ENOUGH
from softcore_runtime.engine import Engine, Provider

__all__ = [
    "ArchiveOptions",
    "CameraOptions",
    "Configuration",
    "DriftOptions",
    "HttpOptions",
    "ModbusOptions",
    "MqttOptions",
]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraOptions(_Options):
    """One camera: where its frames come from, when a part is decided on, and by which bundle.

    Attributes:
        bundle: a bundle's folder, or its name under bundles/.
        recipes: further bundles by the names that they are switched to with.
        camera, source: where frames come from; one of the two.
        trigger: `auto` decides on every frame of a recording, and on a live camera's newest whenever the
            last decision is made; `interval` every so many seconds; `external` when a PLC, a broker or a page
            says so.
        interval: seconds between two decisions, for `interval`.
        deadline: seconds after its trigger by which a part has its decision; INVALID if there is none yet.
            One second unless told otherwise, and none for `auto`, where nobody waits.
        queue: how many triggers may wait for theirs; what comes above that is INVALID at once.
        patience: seconds without a frame after which a camera is taken for silent.
        frozen_after: seconds for which a camera may give the very same picture.
        exposure: in the driver's own units; None leaves it as it is.
        properties: other properties of OpenCV's, by their names without CAP_PROP_ (`gain = 4`).
    """

    bundle: str | None = Field(default=None, min_length=1)
    recipes: dict[str, str] = Field(default_factory=dict)
    camera: str | None = None
    source: str | None = None
    trigger: Literal["auto", "interval", "external"] = "auto"
    interval: float | None = Field(default=None, gt=0, le=3600)
    deadline: float | None = Field(default=None, gt=0, le=3600)
    queue: int = Field(default=16, ge=1, le=10_000)
    patience: float = Field(default=2.0, gt=0, le=60)
    frozen_after: float = Field(default=5.0, gt=0, le=3600)
    exposure: float | None = None
    properties: dict[str, float] = Field(default_factory=dict)

    @field_validator("camera", mode="before")
    @classmethod
    def _take_index(cls, camera: Any) -> Any:
        return str(camera) if type(camera) is int else camera  # camera = 0, as one writes it


class MqttOptions(_Options):
    """A broker. Decisions go to TOPIC/CAMERA/decision, commands come by TOPIC/trigger and TOPIC/recipe.

    Attributes:
        host, port: the broker, which speaks MQTT 5; with TLS its port is usually 8883.
        topic: what all topics of this line begin with; no other line at the broker may have it.
        client_id: None makes one of this machine's name and the topic.
        username: None where the broker lets everybody in.
        password_file: holds the password, on one line.
        tls: encrypt, and check the broker's certificate.
        ca_file: who may have signed it; None trusts whom this machine trusts.
        keepalive: seconds of silence after which either side asks whether the other one is there.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65535)
    topic: str = Field(
        default="softcore", max_length=200, pattern=r"^[^+#$\x00-\x1f\x7f][^+#\x00-\x1f\x7f]*$"
    )
    client_id: str | None = Field(default=None, min_length=1, max_length=200)
    username: str | None = Field(default=None, min_length=1, max_length=200)
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    keepalive: int = Field(default=10, ge=2, le=600)

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        try:
            host.encode("idna")  # what the resolver will do
        except UnicodeError as error:
            raise ValueError("no name or address of a machine") from error
        return host

    @model_validator(mode="after")
    def _check_pairs(self) -> MqttOptions:
        if self.password_file and self.username is None:
            raise ValueError("password_file needs username")
        if self.ca_file and not self.tls:
            raise ValueError("ca_file needs tls = true")
        return self


class ModbusOptions(_Options):
    """A PLC by Modbus TCP, which is the server; `docs/reference/plc.md` has the map of coils and registers.

    Attributes:
        host, port: the PLC's.
        unit: its unit identifier, for PLCs and gateways that heed it.
        camera: whose parts the PLC triggers and whose results it gets; None where there is only one.
        coils, registers: the addresses, from 0, of the first coil and holding register of the map.
        poll: seconds from one exchange to the next.
        timeout: seconds that the PLC may take to answer.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=255)
    camera: str | None = None
    coils: int = Field(default=0, ge=0, le=65_000)
    registers: int = Field(default=0, ge=0, le=65_000)
    poll: float = Field(default=0.005, gt=0, le=10)
    timeout: float = Field(default=1.0, gt=0, le=60)


class HttpOptions(_Options):
    """The port: metrics, health, events, commands, the operator's page; see `docs/reference/http.md`.

    Attributes:
        host: an address of this machine; anything but a loopback address opens the port to the network.
        port: 0 takes a free one.
        token_file: holds the token that whoever changes something must show; without one nothing can be
            changed over HTTP.
        names: host names and addresses beside `host` and the loopback ones that the port may be asked for
            by, without a port; an IPv6 address in brackets.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8765, ge=0, le=65535)
    token_file: Path | None = None
    names: tuple[Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])$")], ...] = ()


class ArchiveOptions(_Options):
    """Pictures that are kept: of all FAIL, REVIEW and INVALID, and of a share of PASS.

    Attributes:
        folder: where; one line's alone.
        pass_share: of the PASS, as many as that; which ones, their triggers decide.
        max_gigabytes: of 10**9 bytes; above that the oldest PASS goes first, then INVALID, REVIEW and FAIL.
        max_days: what was triggered longer ago than that goes, whatever it is.
    """

    folder: Path
    pass_share: float = Field(default=0.01, ge=0, le=1)
    max_gigabytes: float = Field(default=10.0, gt=0)
    max_days: float = Field(default=90.0, gt=0)


class DriftOptions(_Options):
    """When the good parts' scores or pictures are said to drift away from what they were.

    Attributes:
        fast, slow: the numbers of parts over which the two alarms average.
        sigmas: how many of their standard deviations the averages may lie away.
        least: the share of what they were by which they must differ at least.
        learn: the good parts from which is learned what the bundle doesn't know of them.
    """

    fast: int = Field(default=20, ge=2, le=10_000)
    slow: int = Field(default=500, ge=10, le=100_000)
    sigmas: float = Field(default=6.0, gt=0, le=100)
    least: float = Field(default=0.05, gt=0, le=10)
    learn: int = Field(default=200, ge=ENOUGH, le=10_000)


class Configuration(CameraOptions):
    """A line: its cameras, what decides on their frames, what becomes of the decisions.

    Each field is a key of the file; where there is an option of the command by that name, `_` is `-`, and
    every key can be given by `--set KEY=VALUE`. Relative paths start at the folder that the command is
    started in, wherever the file lies. A line of one camera says what `CameraOptions` has at the top; one of
    several has a table `[cameras.NAME]` for each.
    """

    cameras: dict[str, CameraOptions] = Field(default_factory=dict)
    save_overlays: Path | None = None
    ledger: Path | None = None
    json_lines: bool = Field(default=False, alias="json")
    frames: int | None = Field(default=None, ge=1)
    unchecked: bool = False
    fast: bool = False
    engine: Engine | Literal["auto"] = "auto"
    provider: Provider | Literal["auto"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    log: Literal["text", "json"] = "text"
    mqtt: MqttOptions | None = None
    modbus: ModbusOptions | None = None
    http: HttpOptions | None = None
    archive: ArchiveOptions | None = None
    drift: DriftOptions = DriftOptions()
