"""Summary: one page about all categories, with a link to the report of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.errors import SoftCoreError, UsageError
from softcore_runtime.language.catalogue import Language

from softcore_export.categories.category_task import CategoryResult
from softcore_export.report.environment import make_environment

__all__ = ["FILE", "write_summary"]

FILE = "index.html"


@dataclass(frozen=True)
class _Row:
    """A category on the page; without a manifest there is no bundle that can be read."""

    result: CategoryResult
    manifest: Manifest | None
    report: str
    log: str

    @property
    def megabytes(self) -> float:
        files = self.manifest.files.values() if self.manifest else ()
        return sum(record.bytes for record in files) / 1e6


def write_summary(out: Path, results: Iterable[CategoryResult], language: Language = "en") -> Path:
    """Write the page into the folder of the bundles, and return its path.

    Args:
        out: the folder.
        results: of the categories, in their order.
        language: of the page.

    Raises:
        UsageError: it can't be written.
    """
    rows = [_describe(out, result) for result in results]
    environment = make_environment(language, [Path(__file__).parent])
    failed = sum(row.result.code != 0 for row in rows)
    page = environment.get_template("summary.html.j2").render(rows=rows, failed=failed)
    try:
        write_atomically(out / FILE, page)
    except OSError as error:
        raise UsageError(f"{out / FILE}: can't be written ({error.strerror})") from error
    return out / FILE


def _describe(out: Path, result: CategoryResult) -> _Row:
    try:
        manifest = read_manifest(out / result.name)
    except (SoftCoreError, OSError):
        manifest = None
    name = quote(result.name)
    return _Row(result, manifest, f"{name}/report.html", f"logs/{name}.log")
