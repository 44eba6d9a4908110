"""
The frames of the long connection: protobuf, of which these few fields are used.

message Header { string key = 1; string value = 2; }
message Frame {
    uint64 SeqID = 1; uint64 LogID = 2; int32 service = 3; int32 method = 4; repeated Header headers = 5;
    string payload_encoding = 6; string payload_type = 7; bytes payload = 8; string LogIDNew = 9;
}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

CONTROL = 0
DATA = 1

_VARINT = 0
_BYTES = 2


@dataclass(frozen=True, slots=True)
class Frame:
    method: int
    headers: dict[str, str] = field(default_factory=dict)
    payload: bytes = b""
    service: int = 0
    sequence: int = 0
    log: int = 0

    @property
    def type(self) -> str:
        return self.headers.get("type", "")


def encode(frame: Frame) -> bytes:
    numbers = {1: frame.sequence, 2: frame.log, 3: frame.service, 4: frame.method}
    parts = [_key(number, _VARINT) + _varint(value) for number, value in numbers.items()]
    for key, value in frame.headers.items():
        parts.append(_bytes(5, _bytes(1, key.encode()) + _bytes(2, value.encode())))
    parts.append(_bytes(8, frame.payload))
    return b"".join(parts)


def decode(data: bytes) -> Frame:
    """
    Raises:
        ValueError: it is no frame.
    """
    numbers: dict[int, int] = {}
    headers: dict[str, str] = {}
    payload = b""
    for number, value in _fields(data):
        if isinstance(value, int):
            numbers[number] = value
        elif number == 5:
            header = {name: text.decode() for name, text in _fields(value) if isinstance(text, bytes)}
            headers[header.get(1, "")] = header.get(2, "")
        elif number == 8:
            payload = value
    if missing := {1, 2, 3, 4} - set(numbers):
        raise ValueError(f"a frame lacks its fields {sorted(missing)}")
    return Frame(numbers[4], headers, payload, numbers[3], numbers[1], numbers[2])


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        number, kind = key >> 3, key & 7
        value, position = _read_varint(data, position)
        if kind == _VARINT:
            yield number, value
        elif kind == _BYTES:
            if position + value > len(data):
                raise ValueError("a frame is cut off")
            yield number, data[position : position + value]
            position += value
        else:
            raise ValueError(f"a frame has a field of kind {kind}")


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a frame is cut off")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _bytes(number: int, data: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(data)) + data
