"""Places: the folders in which the images of an exam lay, beside the bundle on the workstation.

A bundle holds no paths. `bundles/pill.exam.json` lists the folders in which a later export looks for the
images of the exam.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.errors import DataError
from softcore_runtime.record import Record
from softcore_runtime.regular_file import read_regular

__all__ = ["add_places", "places_path", "read_places"]

_MOST_PLACES = 1000
_MOST_BYTES = 2**22


class _File(Record):
    """The content of the file."""

    folders: tuple[str, ...] = Field(max_length=_MOST_PLACES)


def places_path(bundle: Path) -> Path:
    """Return the file beside a bundle that lists the folders.

    Example:
        >>> places_path(Path("bundles/pill")).as_posix()
        'bundles/pill.exam.json'
    """
    return bundle.with_name(f"{bundle.name}.exam.json")


def read_places(bundle: Path) -> tuple[Path, ...]:
    """Read the folders, the latest first; a missing file lists none.

    Args:
        bundle: the bundle's folder.

    Raises:
        DataError: the file is damaged.

    Example:
        >>> read_places(path)
        ()
    """
    file = places_path(bundle)
    try:
        content = _File.model_validate_json(read_regular(file, _MOST_BYTES)[0], strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise DataError(f"{file}: can't be read ({error.strerror})") from error
    except (ValidationError, ValueError) as error:
        raise DataError(
            f"{file}: no list of folders; delete it, and name the folders of the exam's images again"
        ) from error
    return tuple(map(Path, content.folders))


def add_places(bundle: Path, folders: Iterable[Path]) -> None:
    """Add folders to the file, as the latest.

    Folders whose name isn't UTF-8 are left out.

    Args:
        bundle: the bundle's folder.
        folders: where images of its exam lie.

    Raises:
        DataError: the file is damaged.
        OSError: it can't be written.

    Example:
        >>> add_places(path, [Path("/data/checked/bad")])
        >>> [folder.as_posix() for folder in read_places(path)]
        ['/data/checked/bad']
    """
    texts = [str(folder.resolve()) for folder in folders]
    before = [str(folder) for folder in read_places(bundle)]
    named = [text for text in dict.fromkeys([*texts, *before]) if _is_text(text)]
    if named != before:
        content = _File(folders=tuple(named[:_MOST_PLACES]))
        write_atomically(places_path(bundle), content.model_dump_json(indent=1) + "\n")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
