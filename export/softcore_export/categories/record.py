"""Record: what came of the categories, kept beside their bundles, so that a run is taken up again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.errors import SoftCoreError, UsageError

from softcore_export.categories.category_task import CategoryResult, CategoryTask

__all__ = ["FILE", "Record"]

FILE = "categories.json"


class Record:
    """The results of the categories of a folder of bundles; each is on the disk as soon as it is added.

    Args:
        out: the folder of the bundles.

    Raises:
        UsageError: its file is there and can't be read.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._file = out, out / FILE
        self.results: dict[str, CategoryResult] = {}
        self._made: dict[str, str] = {}
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            for name, entry in content.items():
                self._made[name] = str(entry.pop("created"))
                self.results[name] = CategoryResult(**entry)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{self._file}: can't be read ({error}); delete it, and all categories are exported"
            ) from error

    def is_done(self, task: CategoryTask) -> bool:
        """Return whether there is the bundle of a task, of the same images and options, calibrated or not."""
        result = self.results.get(task.name)
        done = result is not None and result.code == 0 and result.digest == task.digest
        return done and self._made.get(task.name) == self._read_time(task.name)

    def add(self, result: CategoryResult) -> None:
        """Add a result, and write the record.

        Raises:
            UsageError: it can't be written.
        """
        self.results[result.name] = result
        self._made[result.name] = self._read_time(result.name) if result.code == 0 else ""
        content = {
            name: {**asdict(one), "created": self._made.get(name, "")}
            for name, one in sorted(self.results.items())
        }
        try:
            write_atomically(self._file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UsageError(f"{self._file}: can't be written ({error.strerror})") from error

    def _read_time(self, name: str) -> str:
        try:
            return read_manifest(self._out / name).created.isoformat()
        except (SoftCoreError, OSError):
            return ""
