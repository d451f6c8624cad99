from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
# What no lock of the workplace has: it compiles hnswlib, or belongs to another machine.
OWN = {
    "build": {"pybind11", "wheel"},
    "cpu": set(),
    "gpu": {"onnxruntime-gpu"},  # and CUDA's own
    "jetson": {"numpy", "coloredlogs", "humanfriendly", "pyreadline3"},
}


def read_lock(path: Path) -> dict[tuple[str, str], set[str]]:
    """Give the hashes of each name and version."""
    found = {}
    for block in re.split(r"\n(?=\S)", path.read_text()):
        if pin := re.match(r"([a-z0-9.-]+)==(\S+)", block):
            found[pin[1], pin[2]] = set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", block))
    return found


@pytest.mark.parametrize("name", OWN)
def test_an_image_installs_what_the_lock_pins(name: str) -> None:
    whole, lock = read_lock(ROOT / "requirements.lock"), read_lock(DOCKER / f"{name}.lock")
    assert all(lock.values()), "without a hash"
    others = {key[0] for key in lock if key not in whole}
    assert {one for one in others if not one.startswith("nvidia-")} <= OWN[name], "run docker/make_locks.sh"
    assert all(lock[key] == whole[key] for key in lock.keys() & whole.keys())
    text = (DOCKER / f"{name}.lock").read_text()
    assert not re.search(r"--(extra-)?index-url|://|/work|/home", text)


@pytest.mark.parametrize(
    ("name", "extras"), [("cpu", ["cpu", "edge"]), ("gpu", ["gpu", "edge"]), ("jetson", ["edge"])]
)
def test_a_lock_has_all_that_softcore_asks_for(name: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    wanted = {re.match("[a-z0-9-]+", one)[0] for asked in lists for one in asked}  # type: ignore[index]
    assert len(wanted) > 10
    assert wanted <= {key[0] for key in read_lock(DOCKER / f"{name}.lock")}


def test_nothing_is_installed_without_a_hash() -> None:
    for file in (DOCKER / "install.sh", DOCKER / "Dockerfile.jetson"):
        steps = file.read_text().replace("\\\n", " ")
        commands = re.findall(r"pip install [^&;|\n]*", steps)
        assert len(commands) >= 2
        for command in commands:
            *_, what = command.split()
            assert "--no-deps" in command
            assert "--require-hashes" in command or what in (".", '"$ONNXRUNTIME"')
