"""Connection options: the keys of a line's broker, PLC, database and port.

`options.py` has them among the keys of a configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["HttpOptions", "ModbusOptions", "MqttOptions", "PostgresOptions"]


_PLAIN = r"^[^\x00-\x1f\x7f]*$"  # without control characters


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MqttOptions(_Options):
    """A broker. Decisions go to TOPIC/CAMERA/decision, commands come by TOPIC/trigger and TOPIC/recipe."""

    host: str = Field(min_length=1, description="the broker's name or address; it must speak MQTT 5")
    port: int = Field(default=1883, ge=1, le=65535, description="the broker's port; with TLS usually 8883")
    topic: str = Field(
        default="softcore",
        max_length=200,
        pattern=r"^[^+#$\x00-\x1f\x7f][^+#\x00-\x1f\x7f]*$",
        description="what all topics of this line begin with; no other line at the broker may have it",
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="the MQTT client identifier; made of this machine's name and the topic if left out",
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="left out where the broker takes anonymous clients",
    )
    password_file: Path | None = Field(
        default=None, description="file that holds the password, on one line; needs `username`"
    )
    tls: bool = Field(default=False, description="encrypt, and check the broker's certificate")
    ca_file: Path | None = Field(
        default=None,
        description="certificate of who signed the broker's, for `tls`; the authorities that this machine "
        "trusts if left out",
    )
    keepalive: int = Field(
        default=10,
        ge=2,
        le=600,
        description="seconds of silence after which either side asks whether the other is still there",
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        try:
            host.encode("idna")  # as the resolver does
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
    """A PLC by Modbus TCP, which is the server; `docs/reference/plc.md` has the map of its addresses."""

    host: str = Field(min_length=1, description="the PLC's name or address")
    port: int = Field(default=502, ge=1, le=65535, description="the PLC's port")
    unit: int = Field(
        default=1, ge=0, le=255, description="the PLC's unit identifier, for PLCs and gateways that heed it"
    )
    camera: str | None = Field(
        default=None,
        description="the camera whose parts the PLC triggers and whose results it gets; may be left out "
        "where there is only one",
    )
    coils: int = Field(
        default=0, ge=0, le=65_000, description="address, counted from 0, of the first coil of the map"
    )
    registers: int = Field(
        default=0,
        ge=0,
        le=65_000,
        description="address, counted from 0, of the first holding register of the map",
    )
    alarm_coils: bool = Field(
        default=False,
        description="write two coils more, which say whether an alarm or a warning is open; the PLC must "
        "have them",
    )
    poll: float = Field(
        default=0.005, gt=0, le=10, description="seconds from one exchange with the PLC to the next"
    )
    timeout: float = Field(default=1.0, gt=0, le=60, description="seconds that the PLC may take to answer")


class PostgresOptions(_Options):
    """A database, into which the ledger's decisions are copied; `docs/how-to/connect-a-database.md`."""

    host: str = Field(
        min_length=1,
        max_length=1000,
        pattern=_PLAIN,
        description="the server's name or address, or the folder of its socket on this machine",
    )
    port: int = Field(default=5432, ge=1, le=65535, description="the server's port")
    database: str = Field(
        default="softcore", min_length=1, max_length=63, pattern=_PLAIN, description="the database's name"
    )
    user: str = Field(default="softcore", min_length=1, max_length=63, pattern=_PLAIN, description="the user")
    password_file: Path | None = Field(
        default=None,
        description="file that holds the password, on one line; if left out, what `PGPASSWORD` in the "
        "environment or `~/.pgpass` says",
    )
    tls: bool = Field(
        default=False,
        description="refuse a server without encryption, and check its certificate; without it the "
        "connection is encrypted where the server can, and nobody knows whose it is. Needs `ca_file`",
    )
    ca_file: Path | None = Field(
        default=None, description="certificate of who signed the server's, for `tls`"
    )
    schema_name: str = Field(
        default="softcore",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="the schema of the tables; lines of one plant share it",
    )
    line: str = Field(
        min_length=1,
        max_length=200,
        pattern=_PLAIN,
        description="the line's name in the table; no other line, and no other ledger, may have it",
    )
    batch: int = Field(
        default=500, ge=1, le=10_000, description="number of decisions of a transaction at most"
    )

    @model_validator(mode="after")
    def _check_pair(self) -> PostgresOptions:
        if self.tls and not self.ca_file:
            raise ValueError("tls needs ca_file")
        if self.ca_file and not self.tls:
            raise ValueError("ca_file needs tls = true")
        return self


class HttpOptions(_Options):
    """The port: metrics, health, events, commands, the operator's page; see `docs/reference/http.md`."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="the address of this machine to listen at; anything but a loopback address opens the "
        "port to the network",
    )
    port: int = Field(default=8765, ge=0, le=65535, description="the port; 0 takes a free one")
    token_file: Path | None = Field(
        default=None,
        description="file that holds the token by which programs change something; the line makes one with "
        "a random token if there is none. Without it only people can change anything over HTTP",
    )
    people_file: Path | None = Field(
        default=None,
        description="file of the people who may change something, each by a role, with hashes of their "
        "secrets; `softcore-edge people` writes it, and a running line notices",
    )
    idle_minutes: float = Field(
        default=15.0,
        gt=0,
        le=1440,
        description="minutes without anything that a person does, after which the session ends",
    )
    session_hours: float = Field(
        default=10.0, gt=0, le=168, description="hours after which a session ends in any case"
    )
    names: tuple[Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])$")], ...] = Field(
        default=(),
        description="further host names and addresses, without a port, by which the port may be asked for; "
        "an IPv6 address in brackets",
    )
    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=60,
        description="the line's name for people, which heads the page; this machine's name if left out",
    )
