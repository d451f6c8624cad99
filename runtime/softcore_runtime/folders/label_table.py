"""Label table: images and their labels, from CSV as spreadsheets and scripts write it."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.folders.folder_kinds import FolderKind, read_kind

__all__ = ["read_label_table"]

_DELIMITERS = (",", ";", "\t", "|")
_COLUMNS = ("path", "label")
_NUMBERS = {"0": False, "1": True}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
_WINDOWS = "cp1252"  # written by spreadsheets on Windows in Western countries


def read_label_table(file: Path, wanted: bool | None) -> list[tuple[Path, bool]]:
    """Read a CSV file with the columns `path` (relative to the file, or absolute) and `label`.

    Cells are separated by commas, semicolons, tabs or bars. The text is UTF-8 with or without a byte order
    mark, UTF-16 with one, or Windows-1252.

    Args:
        file: the table.
        wanted: True takes only defective rows, False only good ones, None takes both.

    Returns:
        each row's image, and whether it is defective.

    Raises:
        UsageError: it is no such table, or a label is neither good nor bad.
        DataError: it has no row of the wanted kind.
    """
    try:
        text, encoding = _decode(file.read_bytes())
        rows = list(_read_rows(file, text, encoding))
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: not a table in CSV ({error})") from error
    taken = [(path, defective) for path, defective in rows if wanted in (None, defective)]
    if not taken:
        kind = {True: "bad ", False: "good ", None: ""}[wanted]
        raise DataError(f"{file}: no {kind}images in this table")
    return taken


def _decode(data: bytes) -> tuple[str, str]:
    """Decode a table; return its text and its encoding."""
    if data.startswith(_UTF16):
        return data.decode("utf-16"), "utf-16"
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode(_WINDOWS), _WINDOWS


def _read_rows(file: Path, text: str, encoding: str) -> Iterator[tuple[Path, bool]]:
    if "\0" in text:
        raise csv.Error("it holds a NUL character")
    first = 0
    if text[:4].casefold() == "sep=":  # a line of spreadsheets that names the delimiter
        text, first = text.partition("\n")[2], 1
    readers = [csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for delimiter in _DELIMITERS]
    headers = [[cell.strip().casefold() for cell in next(reader, [])] for reader in readers]
    best = max(range(len(readers)), key=lambda i: (len({*_COLUMNS} & {*headers[i]}), len(headers[i])))
    reader, header = readers[best], headers[best]
    if missing := sorted({*_COLUMNS} - {*header}):
        raise UsageError(f"{file}: needs the columns path and label, has no {' and no '.join(missing)}")
    places = [header.index(column) for column in _COLUMNS]
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        path, label = (row[place].strip() if place < len(row) else "" for place in places)
        defective = _read_label(label)
        if defective is None or not path:
            raise UsageError(
                f"{file}, line {first + reader.line_num}: the label must be good or bad, not {label!r}"
                if path
                else f"{file}, line {first + reader.line_num}: no path"
            )
        yield _find(file.parent, path, encoding), defective


def _read_label(label: str) -> bool | None:
    """Return whether a label means defective; None if it isn't known."""
    kind = read_kind(label)
    if kind in (FolderKind.GOOD, FolderKind.BAD):
        return kind is FolderKind.BAD
    return _NUMBERS.get(label)


def _find(folder: Path, name: str, encoding: str) -> Path:
    """Find the file that a table names, in the spelling of any system; the name as it is if there is none.

    Windows separates folders by backslashes, macOS decomposes letters with accents, and file names on an
    older Linux may have the table's own encoding.
    """
    names = [name, name.replace("\\", "/")]
    names += [unicodedata.normalize(form, names[1]) for form in ("NFC", "NFD")]
    if encoding == _WINDOWS:
        names.append(os.fsdecode(names[1].encode(_WINDOWS)))
    paths = [folder / one for one in names]
    return next((path for path in paths if os.path.lexists(path)), paths[0])
