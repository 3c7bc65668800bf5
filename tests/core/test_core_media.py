"""Pictures are measured by their headers: as Pillow measures them, and never by decoding."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalkit.core.media import MAX_PIXELS, Picture, picture, refuse_bomb

FORMATS = [
    ("PNG", {}, "image/png"),
    ("JPEG", {}, "image/jpeg"),
    ("JPEG", {"progressive": True, "comment": "x" * 300}, "image/jpeg"),
    ("GIF", {}, "image/gif"),
    ("GIF", {"comment": b"a long remark " * 40}, "image/gif"),
    ("WEBP", {}, "image/webp"),
    ("WEBP", {"lossless": True}, "image/webp"),
    ("WEBP", {"exif": b"Exif\0\0x"}, "image/webp"),
]


def encoded(kind, size=(37, 21), **options):
    out = io.BytesIO()
    Image.new("RGB", size, "#37c").save(out, kind, **options)
    return out.getvalue()


def png_header(width, height):
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def gif(screen, frame, flags=0):
    table = b"\0" * (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    screen_head = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, 0, 0) + table
    return screen_head + b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c" + struct.pack("<HHHHB", *frame, 0)


def outcome(data):
    """The picture, or the error's text; any other exception is a defect."""
    try:
        return picture(data)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(("kind", "options", "media_type"), FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (37, 21), (300, 2)])
def test_header_says_what_pillow_decodes(kind, options, media_type, size):
    assert picture(encoded(kind, size, **options)) == Picture(media_type, *size)


@pytest.mark.parametrize(("kind", "options", "media_type"), FORMATS)
def test_every_cut_is_a_named_error_or_the_same_size(kind, options, media_type):
    whole = encoded(kind, **options)
    found = {outcome(whole[:end]) for end in range(len(whole))}
    assert {each for each in found if isinstance(each, Picture)} <= {Picture(media_type, 37, 21)}
    assert all("file" in each for each in found if isinstance(each, str))


@given(
    st.binary(max_size=80), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF1234WEBP"])
)
@settings(max_examples=50)
def test_any_bytes_are_a_picture_or_a_value_error(rest, start):
    found = outcome(start + rest)
    assert found if isinstance(found, str) else found.pixels > 0


def test_bombs_are_refused_by_their_header():
    assert refuse_bomb(png_header(10_000, 5_000)).pixels == MAX_PIXELS
    with pytest.raises(ValueError, match=r"declares 10000 x 5001 = 50,010,000 pixels; more than 50,000,000"):
        refuse_bomb(png_header(10_000, 5_001))
    with pytest.raises(ValueError, match="more than 99 are not decoded"):
        refuse_bomb(png_header(10, 10), 99)


def test_gif_frame_larger_than_its_screen_counts():
    assert picture(gif((2, 3), (0, 0, 2, 3))) == Picture("image/gif", 2, 3)
    assert picture(gif((2, 3), (5, 0, 60_000, 40_000), flags=0x81)) == Picture("image/gif", 60_005, 40_000)
    with pytest.raises(ValueError, match="not decoded"):
        refuse_bomb(gif((1, 1), (0, 0, 65_535, 65_535)))
    assert picture(b"GIF87a" + struct.pack("<HHBBB", 4, 5, 0, 0, 0) + b";") == Picture("image/gif", 4, 5)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7", "no PNG, JPEG, GIF or WebP picture: it starts with b'%PDF-1.7'"),
        (b"RIFF\0\0\0\0WAVEfmt ", "no PNG"),
        (png_header(0, 7), "declares 0 x 7 pixels"),
        (png_header(7, 7)[:20], "ends inside its header, after 20 bytes"),
        (png_header(7, 7).replace(b"IHDR", b"IDAT"), "header chunk"),
        (b"\xff\xd8\x00\x00", "no marker at byte 2"),
        (b"\xff\xd8\xff\xe0\x00\x01", "segment of 1 bytes at byte 4"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (b"\xff\xd8\xff\xff\xff", "ends inside its header"),
        (b"RIFF\0\0\0\0WEBPALPH", "starts with chunk b'ALPH'"),
    ],
)
def test_what_is_wrong_is_said(data, words):
    with pytest.raises(ValueError, match=words):
        picture(data)


def test_jpeg_markers_without_length_and_fill_bytes_are_stepped_over():
    frame = b"\xff\xc2\x00\x0b\x08" + struct.pack(">HH", 9, 6)
    assert picture(b"\xff\xd8\xff\x01\xff\xff\xff\xd0" + b"\xff\xc4\x00\x03\x00" + frame) == Picture("image/jpeg", 6, 9)
