from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from softcore_edge_app.cli import service_command
from softcore_edge_app.cli.command import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "softcore" / "line1.toml"
    path.parent.mkdir(parents=True)
    path.write_text('camera = 0\nledger = "line1.ledger"\n')
    return path


@pytest.fixture(autouse=True)
def _installed_in_opt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command lies beside a Python under the root, wherever this very one lies, a home maybe."""
    folder = tmp_path / "opt" / "softcore" / "bin"
    folder.mkdir(parents=True)
    (folder / "softcore-edge").touch()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def install(config: Path, root: Path, *more: str) -> int:
    return main(["install-service", str(config), "--name", "line1", "--root", str(root), *more])


def unit(root: Path) -> Path:
    return root / "etc" / "systemd" / "system" / "softcore-line1.service"


def test_it_writes_the_unit_and_says_what_comes_next(config: Path, tmp_path: Path, capsys: Capture) -> None:
    assert install(config, tmp_path) == 0
    text = unit(tmp_path).read_text()
    # As the system under the root has both.
    assert '\nExecStart="/opt/softcore/bin/softcore-edge" --config "/etc/softcore/line1.toml"\n' in text
    assert stat.S_IMODE(unit(tmp_path).stat().st_mode) == 0o644
    assert (
        (tmp_path / "etc" / "sysusers.d" / "softcore.conf")
        .read_text()
        .endswith('u softcore - "SoftCore inspection" /var/lib/softcore\n')
    )
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {tmp_path}/etc/sysusers.d/softcore.conf",
        f"wrote {unit(tmp_path)}",
        "next:",
        "  sudo systemd-sysusers /etc/sysusers.d/softcore.conf",
        "  sudo systemctl daemon-reload",
        "  sudo systemctl enable --now softcore-line1.service",
    ]
    config.write_text('camera = 0\nledger = "/data/line1.ledger"\n')
    assert install(config, tmp_path) == 0  # once more, over it
    assert 'ReadWritePaths="-/data"\n' in unit(tmp_path).read_text()
    assert sorted(path.name for path in unit(tmp_path).parent.iterdir()) == [unit(tmp_path).name]


def test_print_writes_nothing(config: Path, tmp_path: Path, capsys: Capture) -> None:
    assert install(config, tmp_path, "--print") == 0
    assert capsys.readouterr().out.startswith("# Written by softcore-edge install-service.")
    assert not unit(tmp_path).exists()


def test_what_lies_elsewhere_may_be_written(config: Path, tmp_path: Path, capsys: Capture) -> None:
    config.write_text(
        'ledger = "/data/l/a.ledger"\n[archive]\nfolder = "/var/lib/softcore/images"\n[http]\nport = 80\n'
        '[cameras.front]\ncamera = 0\nbundle = "/srv/pill"\nshadow = "/srv/new"\n'
        '[cameras.side]\ncamera = 1\nbundle = "tile"\n'
    )
    assert install(config, tmp_path, "--print") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("ReadWritePaths")] == [
        'ReadWritePaths="-/data/l"',
        'ReadWritePaths="-/srv/new"',
        'ReadWritePaths="-/srv/pill"',
    ]
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in lines


def test_a_line_without_a_ledger_is_told(config: Path, tmp_path: Path, capsys: Capture) -> None:
    config.write_text("camera = 0\n")
    assert install(config, tmp_path) == 0
    assert "names no ledger, so nothing keeps what was decided" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--name", "../x"], "takes letters, digits and _ . -"),
        (["--name", "a\nb"], "takes letters, digits and _ . -"),
        (["--user", ""], "takes letters, digits and _ . -"),
        (["--now"], "not of the system under --root"),
        (["--now", "--print"], "not allowed with argument"),
    ],
)
def test_mistakes_in_the_command(
    config: Path, tmp_path: Path, capsys: Capture, more: list[str], said: str
) -> None:
    try:
        code: Any = install(config, tmp_path, *more)
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert not unit(tmp_path).exists()


def test_a_configuration_with_a_mistake_is_not_installed(
    config: Path, tmp_path: Path, capsys: Capture
) -> None:
    config.write_text("camra = 0\n")
    assert install(config, tmp_path) == 2
    assert "did you mean camera" in capsys.readouterr().err
    assert not (tmp_path / "etc" / "systemd").exists()


def test_what_a_service_can_not_see_is_refused(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        config = Path(folder) / "line1.toml"
        config.write_text("camera = 0\n")
        monkeypatch.setattr(service_command, "_find_program", lambda: Path("/opt/softcore/bin/softcore-edge"))
        assert main(["install-service", str(config), "--print"]) == 2
        assert "a service has a /tmp of its own" in capsys.readouterr().err
        monkeypatch.setattr(service_command, "_find_program", lambda: Path("/home/anna/v/bin/softcore-edge"))
        monkeypatch.setattr(service_command, "_HIDDEN", ())
        assert main(["install-service", str(config), "--print"]) == 2
        assert "lies in a home, which a service doesn't see" in capsys.readouterr().err
        assert main(["install-service", str(config), "--print", "--user", "anna"]) == 0
        out = capsys.readouterr().out
        assert "User=anna\n" in out
        assert "ProtectHome=read-only\n" in out


def test_now_runs_the_steps_and_says_what_failed(
    config: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_command, "_UNITS", tmp_path / "units")
    monkeypatch.setattr(service_command, "SYSUSERS", tmp_path / "softcore.conf")
    monkeypatch.setattr(service_command, "_HIDDEN", ())
    monkeypatch.setattr(service_command, "_HOMES", ())  # where the folder of the tests may lie
    tools, called = tmp_path / "tools", tmp_path / "called"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    for name in ("systemctl", "systemd-sysusers"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{called}"\n')
        (tools / name).chmod(0o755)
    assert main(["install-service", str(config), "--name", "line1", "--now"]) == 0
    assert called.read_text().splitlines() == [
        f"systemd-sysusers {tmp_path}/softcore.conf",
        "systemctl daemon-reload",
        "systemctl enable --now softcore-line1.service",
    ]
    (tools / "systemctl").write_text("#!/bin/sh\necho 'Access denied' >&2\nexit 1\n")
    assert main(["install-service", str(config), "--name", "line1", "--now"]) == 3
    assert "systemctl daemon-reload: Access denied" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a user who may not write anywhere: not root")
def test_without_rights_it_says_so(config: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "etc").chmod(0o555)
    assert install(config, tmp_path) == 2
    assert "Permission denied" in capsys.readouterr().err
