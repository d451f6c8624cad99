"""Source: what a bundle was exported from, in a file beside it, so that `--update` can export it anew.

The file isn't in the bundle, which shall hold no paths of the workstation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.errors import DataError, UsageError

from softcore_export.settings import ExportSettings

__all__ = ["FILE", "BundleSource", "read_source", "source_path", "write_source"]

FILE = "source.json"
_NAMED = 3  # images in one remark

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BundleSource(BaseModel):
    """Settings and images of an export; all paths are absolute.

    Attributes:
        format_version: of the file.
        fingerprint: of the bundle's training images, by which it is known.
        folder: of the category.
        max_images: the largest number of images that is taken from there; None takes all.
        good: places of images that were confirmed as good.
        bad: places of images that were confirmed as defective.
        labels: tables and folders with both.
        settings: how to train.
        images: names of the training images, by the SHA-256 of their files.
        defects: names of the images that were confirmed as defective, the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    fingerprint: Sha256
    folder: Path
    max_images: Annotated[int, Field(gt=0)] | None = None
    good: tuple[Path, ...] = ()
    bad: tuple[Path, ...] = ()
    labels: tuple[Path, ...] = ()
    settings: ExportSettings
    images: dict[Sha256, str]
    defects: dict[Sha256, str] = {}

    def demand_places(self, target: Path) -> None:
        """Check that the folders and tables of the images are still there.

        Raises:
            DataError: one is gone.
        """
        for place in (self.folder, *self.good, *self.bad, *self.labels):
            if not place.exists():
                raise DataError(
                    f"{target}: {place}, from which it was exported, is gone; put it back, or export anew "
                    "without --update"
                )

    def demand_images(self, target: Path, images: Sequence[str], defects: Sequence[str]) -> None:
        """Check that all images of the bundle have been found, by their content.

        Args:
            target: the bundle's folder.
            images: SHA-256 of the training images that were found.
            defects: of the images that are confirmed as defective.

        Raises:
            DataError: some haven't; it names them.
        """
        found = {*images, *defects}  # one that was learned may have been confirmed as defective since
        learned = _miss(self.images, found)
        if learned:
            raise DataError(
                f"{target}: {len(learned):,} of its {len(self.images):,} training images can't be found "
                f"({_list(learned)}); put them back into {self.folder}, or export anew without --update"
            )
        if left := _miss(self.defects, found):
            raise DataError(
                f"{target}: {len(left):,} of its {len(self.defects):,} images of defective parts can't be "
                f"found ({_list(left)}); put them back, or export anew without --update"
            )


def source_path(target: Path) -> Path:
    """Return the file beside a bundle that says what it was exported from.

    Example:
        >>> source_path(Path("bundles/pill"))
        PosixPath('bundles/pill.source.json')
    """
    return target.with_name(f"{target.name}.{FILE}")


def read_source(target: Path) -> BundleSource:
    """Read what a bundle was exported from.

    Raises:
        UsageError: there is no such file.
        DataError: it is damaged, or belongs to another bundle than the one that is there.
        BundleError: there is no bundle, or it can't be read.
    """
    fingerprint = read_manifest(target).dataset.fingerprint
    path = source_path(target)
    advice = "export anew without --update"
    try:
        source = BundleSource.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            f"--update {target}: {path.name} isn't beside it, which says what it was exported from; {advice}"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: {place}{told}; correct it, or {advice}") from error
    if source.fingerprint != fingerprint:
        raise DataError(f"{path}: belongs to another bundle than the one in {target}; {advice}")
    return source


def write_source(target: Path, source: BundleSource) -> None:
    """Write it beside the bundle, in one step.

    Raises:
        UsageError: the folder can't be written, or the name of a folder isn't UTF-8.
    """
    path = source_path(target)
    try:
        write_atomically(path, source.model_dump_json(indent=2) + "\n")
    except PydanticSerializationError as error:
        raise UsageError(f"{path}: can't hold the name of a folder that isn't UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path}: can't be written ({error.strerror})") from error


def _miss(wanted: Mapping[str, str], found: set[str]) -> list[str]:
    return [name for digest, name in wanted.items() if digest not in found]


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
