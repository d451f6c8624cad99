"""Environments: virtual ones with what an extra brings and nothing else, links to what is installed here."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["Environment", "find_closure"]

ROOT = Path(__file__).parents[1]
PACKAGES = ("calibration", "edge_app", "export", "runtime")


class Environment:
    """A virtual environment as `pip install 'softcore[EXTRAS]'` leaves it.

    Args:
        path: where it is made.
        extras: those of SoftCore.
        without: distributions that are left out of it, as if somebody had removed them.
    """

    def __init__(self, path: Path, extras: Sequence[str], without: Iterable[str] = ()) -> None:
        venv.EnvBuilder(symlinks=True).create(path)
        self.python = path / "bin" / "python"
        self.extras = tuple(extras)
        self.home = path / "home"
        self.home.mkdir()
        site = next(path.glob("lib/python3*/site-packages"))
        self.distributions = find_closure(extras) - {canonicalize_name(name) for name in without}
        for name in {"softcore", *self.distributions}:
            for entry in _list_entries(name):
                if not (site / entry.name).is_symlink():  # a namespace that two have in common
                    (site / entry.name).symlink_to(entry)
        (site / "softcore.pth").write_text("".join(f"{ROOT / package}\n" for package in PACKAGES))

    def run(self, *arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python in it, with a home of its own that is empty."""
        surroundings = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
        surroundings |= {"HOME": str(self.home), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [self.python, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=surroundings,
            cwd=folder or self.home,
            timeout=120,
        )


def find_closure(extras: Sequence[str], of: str = "softcore") -> set[str]:
    """Name the distributions that an installation with these extras has here, beside its own."""
    found = set[str]()
    asked = [(of, tuple(extras))]
    seen = set(asked)
    while asked:
        name, chosen = asked.pop()
        try:
            texts = distribution(name).requires or []
        except PackageNotFoundError:
            raise LookupError(f"{name} is required, and is not installed here") from None
        for requirement in map(Requirement, texts):
            if _applies(requirement, chosen):
                found.add(canonicalize_name(requirement.name))
                further = requirement.name, tuple(sorted(requirement.extras))
                asked += [further] if further not in seen else []
                seen.add(further)
    return found


def _applies(requirement: Requirement, extras: Sequence[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _list_entries(name: str) -> Iterator[Path]:
    """List what a distribution has in the folder of packages: modules, packages, libraries, metadata."""
    installed = distribution(name)
    site = Path(str(installed.locate_file("")))
    tops = {file.parts[0] for file in installed.files or []} - {"..", "__pycache__", "softcore.pth"}
    for top in sorted(tops):
        if not (name == "softcore" and top.endswith((".pth", ".py"))) and (site / top).exists():
            yield site / top
