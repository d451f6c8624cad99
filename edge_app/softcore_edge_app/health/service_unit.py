"""Service unit: a line as a systemd service that starts with the machine, with few rights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from softcore_runtime.errors import UsageError

__all__ = ["STATE", "SYSUSERS", "USER", "ServiceUnit", "render_sysusers", "render_unit"]

STATE: Final = Path("/var/lib/softcore")
SYSUSERS: Final = Path("/etc/sysusers.d/softcore.conf")
USER: Final = "softcore"

_UNIT = """\
# Written by softcore-edge install-service. Changes of your own: systemctl edit {unit}
[Unit]
Description=SoftCore inspection, line {name}
Wants=network-online.target
After=network-online.target nvargus-daemon.service
# A line never stays down: started again as often as it takes.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} --config {config}
# Relative paths in the configuration start here.
WorkingDirectory={state}
# Decisions go to ledger and outputs; the journal would drop alarms among so many lines.
StandardOutput=null
StandardError=journal
Restart=always
RestartSec=1
# 2: a mistake in the configuration, which waits for a person. 130: ended when asked to.
RestartPreventExitStatus=2
SuccessExitStatus=130
# Loading a bundle may build an engine for this very device.
TimeoutStartSec=600
TimeoutStopSec=5
KillSignal=SIGTERM
WatchdogSec=30

# A user of its own that stays the same: people of its group calibrate bundles and read the ledger, and the
# lines of a machine share them. (A dynamic one would own a folder that only root can enter.)
User={user}
SupplementaryGroups=video render
StateDirectory=softcore
StateDirectoryMode=0750
UMask=0027

NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
ProtectSystem=strict
{writable}ProtectHome={home}
PrivateTmp=yes
PrivateMounts=yes
# Through it a Jetson's CSI cameras are asked for.
BindPaths=-/tmp/argus_socket
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectClock=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
KeyringMode=private
# Netlink is how libraries list network interfaces and devices.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: OpenVINO and TensorRT compile networks to code at run time ("can't protect"),
# and on some machines ONNX Runtime's library isn't loaded under it.
# No PrivateDevices: cameras, and what computes, are devices. Those alone:
DevicePolicy=closed
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-drm rw
DeviceAllow=char-accel rw
DeviceAllow=char-nv* rw
DeviceAllow=char-host1x* rw
DeviceAllow=char-tegra* rw

[Install]
WantedBy=multi-user.target
"""

_GROUPS = """\
# Written by softcore-edge install-service: groups that own cameras and what computes, and the lines' user.
g video -
g render -
"""


@dataclass(frozen=True)
class ServiceUnit:
    """The settings of a unit.

    Attributes:
        name: the line's; the unit is `softcore-NAME.service`.
        program: `softcore-edge`, as an absolute path.
        config: its configuration, likewise.
        user: the user that it runs as.
        writable: paths that it may write besides its own folder; those missing at its start are left out.
        home: whether it may read home folders.
        low_port: whether it listens on a port below 1024.
    """

    name: str
    program: Path
    config: Path
    user: str = USER
    writable: tuple[Path, ...] = ()
    home: bool = False
    low_port: bool = False

    @property
    def file(self) -> str:
        """The unit's name for systemctl."""
        return f"softcore-{self.name}.service"


def render_unit(unit: ServiceUnit) -> str:
    """Return the content of the unit file.

    Raises:
        UsageError: a path has a line break or another control character, or the program's has quotes or a
            backslash, which no unit can name.
    """
    return _UNIT.format(
        unit=unit.file,
        name=unit.name,
        program=_quote(unit.program, forbidden="\"'\\"),
        config=_quote(unit.config).replace("$", "$$"),
        state=STATE,
        user=unit.user,
        capabilities="CAP_NET_BIND_SERVICE" if unit.low_port else "",
        writable="".join(f"ReadWritePaths={_quote(path, optional=True)}\n" for path in unit.writable),
        home="read-only" if unit.home else "yes",
    )


def render_sysusers(user: str) -> str:
    """Return the content for systemd-sysusers: the groups, and the user if it is the lines' own."""
    return _GROUPS + (f'u {USER} - "SoftCore inspection" {STATE}\n' if user == USER else "")


def _quote(path: Path, *, optional: bool = False, forbidden: str = "") -> str:
    """Quote a path; systemd expands `%` everywhere (and `$` in arguments)."""
    text = str(path)
    if not text.isprintable() or set(text) & set(forbidden):
        raise UsageError(f"{text!r}: a service can't name this path; rename it")
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{"-" if optional else ""}{text}"'
