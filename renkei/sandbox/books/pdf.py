"""Valid PDF 1.4 files of plain text, Japanese included, without any library (ISO 32000-1, sections 7.5 and 9.7)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 595, 842  # A4 in points
MEDIA_TYPE = "application/pdf"

# One of the fonts that every reader of Japanese brings along; half-width characters are half an em wide.
_FONT = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /HeiseiKakuGo-W5 /Encoding /UniJIS-UCS2-HW-H /DescendantFonts [4 0 R] >>",
    b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HeiseiKakuGo-W5 /DW 1000 /W [231 389 500] /FontDescriptor 5 0 R"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> >>",
    b"<< /Type /FontDescriptor /FontName /HeiseiKakuGo-W5 /Flags 4 /FontBBox [-92 -250 1010 922] /ItalicAngle 0"
    b" /Ascent 752 /Descent -271 /CapHeight 737 /StemV 114 >>",
)


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text at a point counted from the upper left corner; `right`: it ends there instead of beginning."""

    x: float
    y: float
    text: str
    size: float = 10
    right: bool = False


def width(text: str, size: float) -> float:
    """How wide a text is in points."""
    return sum(size if unicodedata.east_asian_width(char) in "WF" else size / 2 for char in text)


def pdf(title: str, pages: Sequence[Iterable[Text]]) -> bytes:
    """A file of one page or more. Equal input gives equal bytes."""
    first = 7
    kids = b" ".join(b"%d 0 R" % (first + 2 * n) for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        *_FONT,
        b"<< /Title %s /Producer (sandbox) >>" % _hex("\ufeff" + title),
    ]
    for n, page in enumerate(pages):
        stream = b"\n".join(_drawn(text) for text in page)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>"
            % (WIDTH, HEIGHT, first + 2 * n + 1),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _drawn(text: Text) -> bytes:
    x = text.x - width(text.text, text.size) if text.right else text.x
    return b"BT /F1 %g Tf %g %g Td %s Tj ET" % (text.size, x, HEIGHT - text.y, _hex(text.text))


def _hex(text: str) -> bytes:
    """A string in the two-byte code of the font; what lies beyond it becomes a geta mark, as in print."""
    within = "".join(char if ord(char) < 0x10000 else "〓" for char in text)
    return b"<%s>" % within.encode("utf-16-be", "surrogatepass").hex().upper().encode()
