"""What a picture's header says: kind and size without decoding, so that a bomb is refused before it takes memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_PIXELS = 50_000_000

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_GIF = (b"GIF87a", b"GIF89a")
# Start-of-frame markers of every JPEG process; C4, C8 and CC between them are tables and extensions.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length: temporary, restart, start of image.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's media type and its width and height in pixels, as its header declares them."""

    media_type: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many pixels decoding would make."""
        return self.width * self.height


def refuse_bomb(data: bytes, limit: int = MAX_PIXELS) -> Picture:
    """The picture that a file declares, read from its header alone; every other byte is left alone.

    PNG (W3C), JPEG (ITU T.81), GIF (87a, 89a: the first frame, where it is larger than the screen) and WebP (RFC 9649).
    Raises ValueError for an empty file, another format, a header that is cut off, no pixels, or more than `limit`.
    """
    found = picture(data)
    if found.pixels > limit:
        raise ValueError(
            f"the picture declares {found.width} x {found.height} = {found.pixels:,} pixels; "
            f"more than {limit:,} are not decoded"
        )
    return found


def picture(data: bytes) -> Picture:
    """The picture that a file declares, of any size; raises ValueError as `refuse_bomb` does, but for the limit."""
    if not data:
        raise ValueError("the picture's file is empty")
    media_type, read = _format(data)
    try:
        width, height = read(data)
    except IndexError:
        raise ValueError(f"the {media_type} file ends inside its header, after {len(data)} bytes") from None
    if not width or not height:
        raise ValueError(f"the {media_type} file declares {width} x {height} pixels")
    return Picture(media_type, width, height)


def _format(data: bytes) -> tuple[str, Callable[[bytes], tuple[int, int]]]:
    if data.startswith(_PNG):
        return "image/png", _png
    if data.startswith(_JPEG):
        return "image/jpeg", _jpeg
    if data.startswith(_GIF):
        return "image/gif", _gif
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp", _webp
    raise ValueError(f"the file is no PNG, JPEG, GIF or WebP picture: it starts with {data[:_SHOWN]!r}")


def _number(data: bytes, at: int, size: int, *, big: bool = False) -> int:
    # A slice beyond the end would silently be a smaller number.
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size], "big" if big else "little")


def _png(data: bytes) -> tuple[int, int]:
    width, height = _number(data, 16, 4, big=True), _number(data, 20, 4, big=True)
    if data[12:16] != b"IHDR":
        raise ValueError("the image/png file does not start with its header chunk")
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError(f"the image/jpeg file has no marker at byte {at}")
        while data[at] == 0xFF:
            at += 1
        marker, at = data[at], at + 1
        if marker in _FRAMES:
            return _number(data, at + 5, 2, big=True), _number(data, at + 3, 2, big=True)
        if marker in (0xD9, 0xDA):
            raise ValueError("the image/jpeg file has no frame header before its scan")
        if marker not in _BARE:
            at += _length(data, at)


def _length(data: bytes, at: int) -> int:
    length = _number(data, at, 2, big=True)
    if length < 2:  # the length counts its own two bytes
        raise ValueError(f"the image/jpeg file has a segment of {length} bytes at byte {at}")
    return length


def _gif(data: bytes) -> tuple[int, int]:
    width, height = _number(data, 6, 2), _number(data, 8, 2)
    at = 13 + _table(_number(data, 10, 1))
    while data[at] == 0x21:  # extensions: comments, timing
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    if data[at] == 0x2C:  # decoders enlarge the screen to what the frame covers
        left, top, wide, high = (_number(data, at + step, 2) for step in (1, 3, 5, 7))
        width, height = max(width, left + wide), max(height, top + high)
    return width, height


def _table(flags: int) -> int:
    """Bytes of a colour table by its flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + _number(data, 24, 3), 1 + _number(data, 27, 3)
    if kind == b"VP8L":
        bits = _number(data, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF
    raise ValueError(f"the image/webp file starts with chunk {kind!r}, not with a picture")
