"""Network file: checks that an ONNX file is complete and refers to no other file.

ONNX lets a tensor refer to another file, by a path and an offset. A bundle's network never does that, and one
that does could read any file of the machine into the network, so it is refused before an engine opens it. The
numbers of fields are those of `onnx.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["find_network_fault"]

# The fields of each message that may hold a tensor, at any depth.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


def find_network_fault(data: bytes) -> str | None:
    """Find a fault in the content of an ONNX file: it is cut off, or reads other files.

    Returns:
        the fault in a few words; None if there is none. The engine checks whether it is a network.
    """
    waiting = [("model", 0, len(data))]
    try:
        while waiting:
            kind, start, end = waiting.pop()
            for field, wire, first, last in _read_fields(data, start, end):
                if kind == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
                    if field == _EXTERNAL_DATA or first:
                        return "takes numbers from another file"
                elif wire == _BYTES and field in _FIELDS[kind]:
                    waiting.append((_FIELDS[kind][field], first, last))
    except (IndexError, ValueError):
        return "is cut off or no ONNX file"
    return None


def _read_fields(data: bytes, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, start and end of each field of a message; of a number its value and end."""
    while place < end:
        key, place = _read_varint(data, place)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _read_varint(data, place)
            yield field, wire, value, place
            continue
        if wire == _BYTES:
            size, place = _read_varint(data, place)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}")
        if place + size > end:
            raise ValueError("ends early")
        yield field, wire, place, place + size
        place += size


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
