"""Pictures and recordings: found in values, written once, refused when they are bombs or not kept."""

from __future__ import annotations

import struct
import zlib

from evalkit.report.media import MOST_OF_A_VALUE, MediaFolder, references


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\x00" * (width + 1) * height) if width * height < 10_000 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


FILES = {"a" * 64: png(4, 3), "b" * 64: b"fLaC....", "c" * 64: png(60_000, 60_000), "d" * 64: b"%PDF", "e" * 64: b"x"}


def ref(name: str, media_type: str) -> dict[str, str]:
    return {"$blob": name * 64, "type": media_type}


def test_files_are_written_once_under_their_hash(tmp_path):
    folder = MediaFolder(tmp_path, FILES.get)
    (shown,) = folder.of({"image": ref("a", "image/png"), "text": "x"})
    assert (shown.kind, shown.width, shown.height) == ("image", 4, 3)
    assert (tmp_path / shown.path).read_bytes() == FILES["a" * 64]
    (tmp_path / shown.path).unlink()
    assert folder.of([ref("a", "image/png")]) == [shown]
    assert not (tmp_path / shown.path).exists()
    (sound,) = folder.of(ref("b", "audio/flac"))
    assert (sound.kind, sound.path) == ("audio", f"media/{'b' * 64}.flac")


def test_what_cannot_be_shown_is_named_with_the_reason(tmp_path):
    folder = MediaFolder(tmp_path, FILES.get)
    told = [
        folder.of(ref(*one))[0]
        for one in (("c", "image/png"), ("d", "application/pdf"), ("f", "image/png"), ("e", "image/png"))
    ]
    assert [one.kind for one in told] == ["none"] * 4
    assert "3,600,000,000 pixels" in told[0].label
    assert "4 bytes (not shown)" in told[1].label
    assert "not kept" in told[2].label
    assert "no PNG" in told[3].label
    assert not (tmp_path / "media").exists()


def test_a_file_without_a_type_is_looked_at(tmp_path):
    folder = MediaFolder(tmp_path, FILES.get)
    assert folder.of(ref("a", ""))[0].kind == "image"
    assert folder.of(ref("e", ""))[0].kind == "none"


def test_references_are_found_in_reading_order_and_only_where_they_are_whole(tmp_path):
    value = {
        "x": [ref("b", "audio/flac"), {"y": ref("a", "image/png")}],
        "z": {"$blob": "../../etc/passwd", "type": "image/png"},
    }
    assert [name[0] for name, _ in references(value)] == ["b", "a"]
    assert list(references("text")) == []
    many = [ref("a", "image/png")] * (MOST_OF_A_VALUE + 5)
    assert len(MediaFolder(tmp_path, FILES.get).of(many)) == MOST_OF_A_VALUE
