from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.health.service_unit import ServiceUnit, render_sysusers, render_unit
from softcore_runtime.errors import UsageError

CONFIG = Path("/etc/softcore/line1.toml")


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if not found:
        pytest.skip("needs systemd-analyze: apt install systemd")
    return found


def write(folder: Path, unit: ServiceUnit) -> Path:
    path = folder / unit.file
    path.write_text(render_unit(unit))
    return path


@pytest.mark.parametrize(
    "more",
    [{}, {"low_port": True, "home": True, "writable": (Path("/data/a b"), Path('/data/100% "$x" \\'))}],
)
def test_systemd_finds_nothing_wrong(analyze: str, tmp_path: Path, more: dict[str, object]) -> None:
    odd = tmp_path / "a b %d $HOME" / "softcore-edge"
    odd.parent.mkdir()
    odd.symlink_to(sys.executable)
    unit = ServiceUnit("line1", odd, Path('/etc/100% "$x" \\.toml'), **more)  # type: ignore[arg-type]
    done = subprocess.run(
        [analyze, "verify", "--man=no", write(tmp_path, unit)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_find_something(analyze: str, tmp_path: Path) -> None:
    unit = write(tmp_path, ServiceUnit("line1", Path("/nowhere/softcore-edge"), CONFIG))
    unit.write_text(unit.read_text().replace("[Service]", "[Service]\nProtectAll=yes"))
    done = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True)
    assert "/nowhere/softcore-edge" in done.stderr
    assert "ProtectAll" in done.stderr


def test_it_is_exposed_to_little(analyze: str, tmp_path: Path) -> None:
    unit = write(tmp_path, ServiceUnit("line1", Path(sys.executable), CONFIG))
    command = [analyze, "security", "--offline=true", "--no-pager", "--threshold=20"]
    done = subprocess.run([*command, unit], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("needs a systemd-analyze that looks at a file: systemd 250 or later")
    level = re.search(r"Overall exposure level for softcore-line1.service: ([0-9.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) < 3.0, done.stdout


def test_what_a_unit_promises() -> None:
    lines = render_unit(ServiceUnit("line1", Path("/opt/softcore/bin/softcore-edge"), CONFIG)).splitlines()
    for line in (
        'ExecStart="/opt/softcore/bin/softcore-edge" --config "/etc/softcore/line1.toml"',
        "Type=notify", "Restart=always", "WatchdogSec=30", "WorkingDirectory=/var/lib/softcore",
        "User=softcore", "StateDirectory=softcore", "NoNewPrivileges=yes", "ProtectSystem=strict",
        "ProtectHome=yes", "CapabilityBoundingSet=",
    ):  # fmt: skip
        assert line in lines
    assert not any(line.startswith("ReadWritePaths") for line in lines)


def read_arguments(unit: ServiceUnit) -> list[str]:
    """Take the command apart as systemd does: shlex for quotes, then its own two characters."""
    line = next(line for line in render_unit(unit).splitlines() if line.startswith("ExecStart="))
    program, *arguments = shlex.split(line.removeprefix("ExecStart="))
    return [part.replace("%%", "%") for part in (program, *(part.replace("$$", "$") for part in arguments))]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), min_size=1))
def test_a_configuration_may_have_any_printable_name(name: str) -> None:
    config = Path("/etc/softcore") / name
    unit = ServiceUnit("line1", Path("/opt/softcore-edge"), config)
    if str(config).isprintable():
        assert read_arguments(unit) == ["/opt/softcore-edge", "--config", str(config)]
    else:
        with pytest.raises(UsageError):
            render_unit(unit)


@pytest.mark.parametrize("name", ["line\nbreak", 'a"b', "a'b", "a\\b"])
def test_a_program_that_no_unit_can_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a service can't name this path"):
        render_unit(ServiceUnit("line1", Path("/opt") / name, CONFIG))


def test_systemd_makes_the_user(tmp_path: Path) -> None:
    sysusers = shutil.which("systemd-sysusers")
    if not sysusers:
        pytest.skip("needs systemd-sysusers: apt install systemd")
    for user, made in (("softcore", True), ("somebody", False)):
        root = tmp_path / user
        (root / "etc" / "sysusers.d").mkdir(parents=True)
        (root / "etc" / "sysusers.d" / "softcore.conf").write_text(render_sysusers(user))
        done = subprocess.run([sysusers, f"--root={root}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        groups = (root / "etc" / "group").read_text()
        assert "video:" in groups
        assert "render:" in groups
        passwd = root / "etc" / "passwd"
        assert (passwd.exists() and "softcore:" in passwd.read_text()) is made
