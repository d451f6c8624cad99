"""TIFF directory: the tags of each page of a TIFF file, and of EXIF data, which has the same layout.

Reads TIFF revision 6.0, and BigTIFF, whose offsets have 8 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from softcore_runtime.errors import ImageError

__all__ = ["Directory", "Layout", "read_directories", "read_layout"]

# Size in bytes and format of a value, by its type. Values of other types aren't read.
_INTEGERS = {1: (1, "B"), 3: (2, "H"), 4: (4, "I"), 13: (4, "I"), 16: (8, "Q"), 18: (8, "Q")}
_BYTES = {2: 1, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 17: 8}
_MOST_PAGES = 65_536


@dataclass(frozen=True)
class Layout:
    """The format of the numbers in a file.

    Attributes:
        endian: "<" or ">".
        big: whether it is a BigTIFF.
    """

    endian: str
    big: bool

    @property
    def offset(self) -> str:
        """The format of an offset."""
        return "Q" if self.big else "I"

    @property
    def first(self) -> int:
        """The position of the first directory's offset."""
        return 8 if self.big else 4

    def unpack(self, data: bytes, form: str, at: int) -> tuple[int, ...]:
        """Read numbers.

        Raises:
            ImageError: they lie outside the file.
        """
        try:
            return struct.unpack_from(self.endian + form, data, at)
        except (OverflowError, struct.error) as error:
            raise ImageError("the TIFF is damaged and can't be read (it is cut off)") from error


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    place: int  # offset of its values


@dataclass(frozen=True)
class Directory:
    """The tags of one page.

    Attributes:
        data: the content of the file.
        layout: the format of its numbers.
    """

    data: bytes = field(repr=False)
    layout: Layout
    _entries: Mapping[int, _Entry]

    def integers(self, tag: int) -> tuple[int, ...]:
        """Return a tag's values; () if it is missing.

        Raises:
            ImageError: they are no whole numbers, or lie outside the file.
        """
        entry = self._entries.get(tag)
        if entry is None:
            return ()
        if entry.kind not in _INTEGERS:
            raise ImageError(f"the TIFF is damaged and can't be read (its tag {tag} holds no whole numbers)")
        size, form = _INTEGERS[entry.kind]
        if entry.count * size > len(self.data):
            raise ImageError(f"the TIFF is damaged and can't be read (its tag {tag} leads outside the file)")
        return self.layout.unpack(self.data, f"{entry.count}{form}", entry.place)

    def integer(self, tag: int, default: int) -> int:
        """Return a tag's first value, or `default` if it is missing.

        Raises:
            ImageError: as `integers`.
        """
        values = self.integers(tag)
        return values[0] if values else default

    def text(self, tag: int) -> bytes:
        """Return a tag's text as far as it lies in the file; b"" if it is missing."""
        entry = self._entries.get(tag)
        if entry is None or entry.kind not in (2, 7):
            return b""
        return self.data[entry.place : entry.place + entry.count]

    def rewrite(self, changed: Mapping[int, Sequence[int]], removed: Sequence[int] = ()) -> bytes:
        """Return the file with this page as the only one, and some of its tags changed or removed."""
        layout = self.layout
        out = bytearray(self.data)
        rows: list[tuple[int, int, int, bytes]] = []
        inline = 8 if layout.big else 4
        for tag in sorted({*self._entries, *changed} - set(removed)):
            if tag in changed:
                values = changed[tag]
                kind = 16 if layout.big else 4
                raw = struct.pack(f"{layout.endian}{len(values)}{layout.offset}", *values)
                if len(raw) > inline:
                    out += bytes(len(out) % 2)
                    place = struct.pack(layout.endian + layout.offset, len(out))
                    out += raw
                    raw = place
                rows.append((tag, kind, len(values), raw))
                continue
            entry = self._entries[tag]
            size = _INTEGERS[entry.kind][0] if entry.kind in _INTEGERS else _BYTES.get(entry.kind, 1)
            if size * entry.count <= inline:
                raw = self.data[entry.place : entry.place + size * entry.count]
            else:
                raw = struct.pack(layout.endian + layout.offset, entry.place)
            rows.append((tag, entry.kind, entry.count, raw))
        out += bytes(len(out) % 2)
        struct.pack_into(layout.endian + layout.offset, out, layout.first, len(out))
        out += struct.pack(layout.endian + ("Q" if layout.big else "H"), len(rows))
        for tag, kind, count, raw in rows:
            out += struct.pack(layout.endian + "HH" + layout.offset, tag, kind, count) + raw.ljust(
                inline, b"\0"
            )
        out += bytes(inline)
        return bytes(out)


def read_layout(data: bytes) -> Layout:
    """Read the header of a file.

    Raises:
        ImageError: it is no TIFF.
    """
    endian = {b"II": "<", b"MM": ">"}.get(data[:2])
    if endian is None or len(data) < 8:
        raise ImageError("the TIFF is damaged and can't be read")
    version = struct.unpack_from(endian + "H", data, 2)[0]
    if version not in (42, 43):
        raise ImageError("the TIFF is damaged and can't be read")
    return Layout(endian, version == 43)


def read_directories(data: bytes) -> Iterator[Directory]:
    """Yield the directories of the pages.

    Raises:
        ImageError: the file is damaged.
    """
    layout = read_layout(data)
    row, counted = (20, "Q") if layout.big else (12, "H")
    inline = 8 if layout.big else 4
    (at,) = layout.unpack(data, layout.offset, layout.first)
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) > _MOST_PAGES:
            raise ImageError("the TIFF is damaged and can't be read (its pages run in a circle)")
        seen.add(at)
        (count,) = layout.unpack(data, counted, at)
        start = at + struct.calcsize(counted)
        if start + count * row > len(data):
            raise ImageError("the TIFF is damaged and can't be read (it is cut off)")
        entries: dict[int, _Entry] = {}
        for place in range(start, start + count * row, row):
            tag, kind, values = layout.unpack(data, "HH" + layout.offset, place)
            size = _INTEGERS[kind][0] if kind in _INTEGERS else _BYTES.get(kind, 1)
            held = place + row - inline
            where = held if size * values <= inline else layout.unpack(data, layout.offset, held)[0]
            entries.setdefault(tag, _Entry(kind, values, where))
        yield Directory(data, layout, entries)
        (at,) = layout.unpack(data, layout.offset, start + count * row)
