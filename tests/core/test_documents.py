"""Files made here, byte by byte where it matters, are read back; every kind of bad file gets a sentence."""

import contextlib
import hashlib
import io
import os
import random
import re
import struct
import sys
import time
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st

from gistdesk.core.document_archive import MAX_TEXT_BYTES
from gistdesk.core.document_parse import parse
from gistdesk.core.documents import MAX_FILE_BYTES, Document, PagesRead, PasswordError, extract, gathered
from gistdesk.core.errors import UserError

KOREAN = "대한민국은 민주공화국이다.\n모든 권력은 국민으로부터 나온다."
ENDINGS = (".pdf", ".docx", ".epub", ".html", ".htm", ".xhtml", ".md", ".markdown", ".txt", ".text")
Put = Callable[[str, bytes], Path]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="makes files that other systems do not have")


def read_document(path: Path, *, password: str | None = None) -> Document:
    """In this process: another one for each of a thousand files would take minutes."""
    steps = gathered(path, parse(path, password))
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            document: Document = finished.value
            return document


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file and returns its path."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def refusal(path: Path, password: str | None = None) -> UserError:
    """The error for a bad file; message and hint must both be one sentence, and the message name the file."""
    with pytest.raises(UserError) as caught:
        read_document(path, password=password)
    error = caught.value
    assert error.message.startswith(path.name)
    assert error.message.endswith(".")
    assert error.hint.endswith(".")
    assert "\n" not in str(error)
    return error


# --- Making PDFs: no library needed, and every byte known

_CMAP = (
    b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def "
    b"1 begincodespacerange <0000> <FFFF> endcodespacerange "
    b"1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap end end"
)


def pdf_bytes(pages: list[str], *, user_password: str | None = None) -> bytes:
    """A PDF with these lines on its pages, in a font whose codes are Unicode; encrypted if asked for."""
    lock = _PdfLock(user_password) if user_password is not None else None
    objects: list[tuple[bytes, bytes | None]] = [
        (b"/Type /Catalog /Pages 2 0 R", None),
        (b"/Type /Pages /Count %d /Kids [%s]", None),
        (
            b"/Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 5 0 R",
            None,
        ),
        (
            b"/Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 1000 /FontDescriptor 6 0 R "
            b"/CIDSystemInfo << /Registry () /Ordering () /Supplement 0 >>",
            None,
        ),
        (b"", _CMAP),
        (
            b"/Type /FontDescriptor /FontName /X /Flags 4 /FontBBox [0 0 1000 1000] /Ascent 800 /Descent -200",
            None,
        ),
    ]
    kids: list[int] = []
    for page in pages:
        lines = [b"<%s> Tj T*" % line.encode("utf-16-be").hex().encode() for line in page.split("\n")]
        objects.append((b"", b"BT /F1 12 Tf 14 TL 50 740 Td %s ET" % b" ".join(lines) if page else b""))
        objects.append(
            (
                b"/Type /Page /Parent 2 0 R /MediaBox [0 0 2000 792] /Contents %d 0 R "
                b"/Resources << /Font << /F1 3 0 R >> >>" % len(objects),
                None,
            )
        )
        kids.append(len(objects))
    objects[1] = (objects[1][0] % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids)), None)

    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, (entries, stream) in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n<< %s" % (number, entries)
        if stream is not None:
            body = lock.encrypt(number, stream) if lock else stream
            out += b" /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(body), body)
        else:
            out += b" >>\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, lock.entries if lock else b"")
    return bytes(out + b"startxref\n%d\n%%%%EOF" % start)


def rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


class _PdfLock:
    """The standard security handler, revision 2 (PDF 1.4, section 3.5): 40-bit RC4."""

    _PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    _PERMISSIONS = -4

    def __init__(self, password: str) -> None:
        padded = (password.encode("latin-1") + self._PADDING)[:32]
        file_id = b"0123456789abcdef"
        owner = rc4(hashlib.md5(padded).digest()[:5], padded)
        permissions = struct.pack("<i", self._PERMISSIONS)
        self._key = hashlib.md5(padded + owner + permissions + file_id).digest()[:5]
        user = rc4(self._key, self._PADDING)
        self.entries = b"/ID [<%s> <%s>] /Encrypt << /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>" % (
            file_id.hex().encode(),
            file_id.hex().encode(),
            owner.hex().encode(),
            user.hex().encode(),
            self._PERMISSIONS,
        )

    def encrypt(self, number: int, data: bytes) -> bytes:
        return rc4(hashlib.md5(self._key + struct.pack("<I", number)[:3] + b"\0\0").digest()[:10], data)


# --- Making DOCX and EPUB


def docx_bytes(*paragraphs: str, change: Callable[[docx.document.Document], None] = lambda _: None) -> bytes:
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    change(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def zip_bytes(members: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def members_of(data: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def epub_members(chapters: list[str], *, title: str = "A book") -> dict[str, str | bytes]:
    """An EPUB in which the names sort against the reading order, and one name has a space."""
    names = [f"text/{len(chapters) - index} chapter.xhtml" for index in range(len(chapters))]
    items = "".join(
        f'<item id="c{i}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
        for i, name in enumerate(names)
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(names)))
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container("OEBPS/book.opf", "application/oebps-package+xml"),
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata>'
        f'<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">{title}</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    return members | {f"OEBPS/{name}": body for name, body in zip(names, chapters, strict=True)}


def container(path: str, media_type: str) -> str:
    rootfile = f'<rootfile full-path="{path}" media-type="{media_type}"/>'
    namespace = "urn:oasis:names:tc:opendocument:xmlns:container"
    return f'<container xmlns="{namespace}"><rootfiles>{rootfile}</rootfiles></container>'


def chapter(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/>'
        f'<script src="x.js"/></head><body>{body}</body></html>'
    )


# --- Document


def test_pages_are_joined_by_a_blank_line() -> None:
    assert Document("t", ("abc", "", "de"), "page", Path("t.pdf"), "").text == "abc\n\n\n\nde"


def test_document_knows_its_source(put: Put) -> None:
    path = put("notes.v2.txt", b"some text")
    document = read_document(path)
    assert document == Document("notes.v2", ("some text",), None, path, hashlib.sha256(b"some text").hexdigest(), 9)


@linux_only
def test_names_are_shown_composed_and_without_broken_characters(put: Put) -> None:
    name = os.fsdecode(unicodedata.normalize("NFD", "보고서").encode() + b"\xff.txt")
    assert read_document(put(name, b"text")).title == "보고서?"


def test_whitespace_is_tidied_lightly(put: Put) -> None:
    raw = "\r\n\r\na\0b  \r\n  indented\rc\n\n\n \t\n\n\nd\n\n\ne\fnext page\ufeff soft\xadhyphen \n"
    text = read_document(put("a.txt", raw.encode())).text
    assert text == "ab\n  indented\nc\n\n\nd\n\n\ne\nnext page softhyphen"


def test_hangul_is_composed(put: Put) -> None:
    assert read_document(put("a.txt", unicodedata.normalize("NFD", KOREAN).encode())).text == KOREAN


# --- Text and encodings


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949", "euc_kr"]
)
def test_korean_is_read_in_every_encoding(put: Put, encoding: str) -> None:
    assert read_document(put("a.txt", KOREAN.encode(encoding))).text == KOREAN


@pytest.mark.parametrize(
    "text",
    [
        "안녕",
        "네",
        "가격: 3,000원",
        "똠방각하와 펲시콜라",
        "ㅋㅋㅋ 안녕하세요 ㅠㅠ",
        "대한민국(大韓民國)은 민주공화국(民主共和國)이다",
        "┌──┐\n│가 │\n└──┘",
        "제1조 ① “안녕” ㆍ 가",
        "English with one 단어 in it. " * 50,
    ],
)
def test_short_cp949_is_korean(put: Put, text: str) -> None:
    assert read_document(put("a.txt", text.encode("cp949"))).text == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "café",
        "20°C",
        "it’s — “fine”",
        "Äpfel und Öl",
        "¿Dónde está el niño? ¡Mañana será otro día!",
        "Déjà vu : l'été, le garçon a mangé une pâtisserie à côté du café. Où êtes-vous allés ?",
        "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Pflicht. " * 20,
    ],
)
def test_western_text_is_western(put: Put, text: str) -> None:
    assert read_document(put("a.txt", text.encode("cp1252"))).text == text.strip()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Все люди рождаются свободными и равными в своем достоинстве и правах."),
        ("gb18030", "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。"),
        ("big5", "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。"),
        ("cp932", "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"),
        ("euc_jp", "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"),
    ],
)
def test_other_scripts_are_not_taken_for_korean(put: Put, encoding: str, text: str) -> None:
    assert read_document(put("a.txt", text.encode(encoding))).text == text


def test_encoding_is_found_behind_megabytes_of_ascii(put: Put) -> None:
    text = "plain ASCII line\n" * 100_000 + "한국어 문장이 여기에 있다."
    assert read_document(put("a.txt", text.encode("cp949"))).text == text


def test_one_broken_byte_does_not_change_the_encoding(put: Put) -> None:
    damaged = (KOREAN * 50).encode() + b"\xff" + KOREAN.encode()
    assert read_document(put("a.txt", damaged)).text == KOREAN * 50 + "\ufffd" + KOREAN


def test_markdown_stays_as_it_is(put: Put) -> None:
    text = "# Title\n\n- a\n  - b <b>c</b>\n\n```html\n<html>\n```"
    assert read_document(put("a.md", text.encode())).text == text


def test_three_megabytes_are_read_in_about_a_second(put: Put) -> None:
    line = "모든 국민은 인간으로서의 존엄과 가치를 가지며, 행복을 추구할 권리를 가진다. And some English.\n"
    for encoding in ("utf-8", "cp949", "utf-16"):
        data = (line * (3_000_000 // len(line.encode(encoding)))).encode(encoding)
        path = put("a.txt", data)
        start = time.perf_counter()
        assert read_document(path).text.startswith(line)
        assert time.perf_counter() - start < 3.0  # measured: 0.1 s; the machine may be busy


# --- HTML


def html_text(put: Put, body: str) -> str:
    return read_document(put("a.html", f"<!doctype html><body>{body}".encode())).text


def test_html_blocks_become_lines(put: Put) -> None:
    page = (
        "<nav>Home</nav><h1>Head  <em>line</em></h1>\n<p>one\n two<br>three</p>tail<ul><li>a<li>b</ul><hr>"
        "<script>no()</script><style>no</style><noscript>no</noscript><svg><text>no</text></svg><b>bo</b><i>ld</i>"
    )
    assert html_text(put, page) == "Home\nHead line\none two\nthree\ntail\na\nb\nbold"


def test_html_tables_become_rows(put: Put) -> None:
    table = (
        "Prices<table><tr><th></th><th>2023</th><th>2024</th></tr>\n"
        "<tr> <td><p>Seoul</p></td> <td>1</td> <td><p>2</p></td> </tr></table>end"
    )
    assert html_text(put, table) == "Prices\n\t2023\t2024\nSeoul\t1\t2\nend"


def test_html_keeps_preformatted_text(put: Put) -> None:
    assert html_text(put, "a<pre>\n def f():\n     return  1\n</pre>b") == "a\n def f():\n     return  1\n\nb"


def test_html_title_is_used(put: Put) -> None:
    path = put("a.html", b"<title> The\n page </title><p>text<svg><title>no</title></svg>")
    assert (read_document(path).title, read_document(path).text) == ("The page", "text")


@pytest.mark.parametrize(
    "declared", ["euc-kr", "EUC_KR", "ks_c_5601-1987", "utf-8", "latin1", "nonsense", "unicode_escape"]
)
def test_html_in_cp949_is_korean_whatever_it_declares(put: Put, declared: str) -> None:
    page = f'<html><head><meta charset="{declared}"></head><body>펲시 한국</body></html>'
    assert read_document(put("a.htm", page.encode("cp949"))).text == "펲시 한국"


def test_html_declaration_decides_between_legacy_encodings(put: Put) -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2"><p>żółw'
    assert read_document(put("a.htm", page.encode("iso8859-2"))).text == "żółw"


def test_html_is_known_by_its_opening(put: Put) -> None:
    assert read_document(put("saved page", b"\n<!DOCTYPE html><p>text")).text == "text"


def test_html_may_nest_deeply(put: Put) -> None:
    assert html_text(put, "<span>" * 100_000 + "deep") == "deep"


# --- PDF


def test_pdf_pages_are_read_in_order(put: Put) -> None:
    path = put("a.pdf", pdf_bytes(["First page", "", KOREAN]))
    document = read_document(path)
    assert document.pages == ("First page", "", KOREAN)
    assert (document.title, document.page_label) == ("a", "page")


def test_extract_yields_progress_and_can_be_left(put: Put) -> None:
    path = put("a.pdf", pdf_bytes(["one", "two", "three"]))
    assert [step for step in extract(path) if step] == [PagesRead(1, 3), PagesRead(2, 3), PagesRead(3, 3)]
    steps = extract(path)
    assert next(step for step in steps if step) == PagesRead(1, 3)
    steps.close()


def test_pdf_line_end_hyphens_are_joined_with_care(put: Put) -> None:
    path = put("a.pdf", pdf_bytes(["an exam-\nple from 2019-\n2020, and an X-\nRay"]))
    assert read_document(path).text == "an example from 2019-\n2020, and an X-Ray"


def test_pdf_behind_junk_and_under_another_name(put: Put) -> None:
    assert read_document(put("a.pdf", b"junk\r\n" * 9 + pdf_bytes(["text"]))).text == "text"
    assert read_document(put("a.txt", pdf_bytes(["text"]))).text == "text"
    assert read_document(put("no ending", pdf_bytes(["text"]))).text == "text"


def test_pdf_with_a_password(put: Put) -> None:
    path = put("a.pdf", pdf_bytes(["secret text"], user_password="tiger"))
    assert read_document(path, password="tiger").text == "secret text"
    asked, wrong = refusal(path), refusal(path, "lion")
    assert isinstance(asked, PasswordError)
    assert isinstance(wrong, PasswordError)
    assert asked.message == "a.pdf is protected with a password."
    assert wrong.message == "a.pdf does not open with this password."


def test_pdf_with_an_owner_password_only_opens(put: Put) -> None:
    assert read_document(put("a.pdf", pdf_bytes(["text"], user_password=""))).text == "text"


def test_scan_is_named_as_such(put: Put) -> None:
    error = refusal(put("scan.pdf", pdf_bytes(["", ""])))
    assert "only pictures" in error.message
    assert "OCR" in error.hint


def test_pdf_that_is_not_one(put: Put) -> None:
    assert "not in PDF format" in refusal(put("a.pdf", b"just some text")).message


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_pdf(put: Put, share: float) -> None:
    whole = pdf_bytes(["text"] * 5)
    assert "damaged" in refusal(put("a.pdf", whole[: int(len(whole) * share)])).message


def test_pdf_with_a_lost_page_says_which(put: Put) -> None:
    whole = pdf_bytes(["text"] * 5)
    kid = re.findall(rb"(\d+) 0 R\]", whole)[0]
    broken = whole.replace(b"\n%s 0 obj\n<< /Type /Page " % kid, b"\n%s 0 obj\n<< /Type /Oops " % kid)
    broken = broken.replace(b" %s 0 R]" % kid, b" 99 0 R]")
    assert "page 5 of 5" in refusal(put("a.pdf", broken)).message


def test_three_hundred_pages_take_a_few_seconds(put: Put) -> None:
    page = "\n".join(["The quick brown fox jumps over the lazy dog, again and again and again."] * 45)
    path = put("a.pdf", pdf_bytes([page] * 300))
    start = time.perf_counter()
    assert len(read_document(path).pages) == 300
    assert time.perf_counter() - start < 5.0  # measured: 0.4 s


# --- DOCX


def test_docx_equals_python_docx_on_plain_documents(put: Put) -> None:
    paragraphs = ["첫 문단", "tab\there", "line\nbreak", "  spaces  inside ", "last"]
    data = docx_bytes(*paragraphs)
    expected = "\n".join(block.text.rstrip() for block in docx.Document(io.BytesIO(data)).paragraphs).strip()
    assert read_document(put("a.docx", data)).text == expected


def test_docx_tables_stand_where_they_are(put: Put) -> None:
    def add_table(document: docx.document.Document) -> None:
        table = document.add_table(rows=2, cols=3)
        for index, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"c{index}"
        table.cell(0, 0).merge(table.cell(0, 1))
        table.cell(1, 2).add_paragraph("two lines")
        document.add_paragraph("after")

    document = read_document(put("a.docx", docx_bytes("before", change=add_table)))
    assert document.text == "before\nc0 c1\tc2\nc3\tc4\tc5 two lines\nafter"
    assert document.page_label is None


def test_docx_keeps_what_python_docx_drops(put: Put) -> None:
    def add(document: docx.document.Document) -> None:
        w = nsdecls("w")
        paragraph = document.paragraphs[0]._p
        paragraph.append(parse_xml(f"<w:ins {w} w:id='1'><w:r><w:t> inserted</w:t></w:r></w:ins>"))
        paragraph.append(parse_xml(f"<w:del {w} w:id='2'><w:r><w:delText> deleted</w:delText></w:r></w:del>"))
        paragraph.append(parse_xml(f"<w:moveFrom {w} w:id='3'><w:r><w:t> moved</w:t></w:r></w:moveFrom>"))
        control = f"<w:sdt {w}><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        paragraph.addnext(parse_xml(control))

    assert read_document(put("a.docx", docx_bytes("kept", change=add))).text == "kept inserted\ncontrolled"


def test_docx_notes_follow_the_text(put: Put) -> None:
    paragraph = "<w:p><w:r><w:t>a note</w:t></w:r></w:p>"
    note = f"<w:footnotes {nsdecls('w')}><w:footnote>{paragraph}</w:footnote></w:footnotes>"
    members = members_of(docx_bytes("body")) | {"word/footnotes.xml": note}
    assert read_document(put("a.docx", zip_bytes(members))).text == "body\na note"


def test_docx_under_another_name_and_with_a_renamed_part(put: Put) -> None:
    members = members_of(docx_bytes("text"))
    members["word/document2.xml"] = members.pop("word/document.xml")
    rels = members["_rels/.rels"]
    assert isinstance(rels, bytes)
    members["_rels/.rels"] = rels.replace(b"word/document.xml", b"/word/document2.xml")
    assert read_document(put("a.pdf", zip_bytes(members))).text == "text"


def test_docx_without_text(put: Put) -> None:
    assert "no text" in refusal(put("a.docx", docx_bytes("", "  "))).message


# --- EPUB


def test_epub_follows_its_spine(put: Put) -> None:
    chapters = [chapter("<h1>하나</h1><p>first</p>"), chapter("<img/>"), chapter("<p>last &amp; least</p>")]
    document = read_document(put("a.epub", zip_bytes(epub_members(chapters, title="책 &amp; more"))))
    assert document.pages == ("하나\nfirst", "", "last & least")
    assert (document.title, document.page_label) == ("책 & more", "section")


def encryption_of(member: str) -> str:
    return (
        '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:CipherData>'
        f'<enc:CipherReference URI="{member}"/></enc:CipherData></enc:EncryptedData></encryption>'
    )


def test_epub_with_copy_protection(put: Put) -> None:
    members = epub_members([chapter("a"), chapter("b")])
    members["META-INF/encryption.xml"] = encryption_of("OEBPS/text/1%20chapter.xhtml")
    assert "DRM" in refusal(put("a.epub", zip_bytes(members))).message


def test_epub_with_scrambled_fonts_only_is_read(put: Put) -> None:
    members = epub_members([chapter("text")])
    members["META-INF/encryption.xml"] = encryption_of("OEBPS/fonts/a.otf")
    assert read_document(put("a.epub", zip_bytes(members))).text == "text"


def test_epub_with_a_lost_chapter(put: Put) -> None:
    members = epub_members([chapter("a"), chapter("b")])
    del members["OEBPS/text/1 chapter.xhtml"]
    assert "1 chapter.xhtml is missing" in refusal(put("a.epub", zip_bytes(members))).message


def test_epub_without_text(put: Put) -> None:
    assert "no text" in refusal(put("a.epub", zip_bytes(epub_members([])))).message
    assert "no text" in refusal(put("a.epub", zip_bytes(epub_members([chapter("<img/>")])))).message


# --- Bombs


def word_with(document_xml: str | bytes) -> dict[str, str | bytes]:
    return members_of(docx_bytes("text")) | {"word/document.xml": document_xml}


@pytest.mark.parametrize("ending", [".docx", ".epub"])
def test_bomb_that_declares_its_size(put: Put, ending: str) -> None:
    blank = b" " * (MAX_TEXT_BYTES + 1)
    members = word_with(blank) if ending == ".docx" else epub_members([chapter("a")])
    if ending == ".epub":
        members["OEBPS/text/1 chapter.xhtml"] = blank
    assert "too much" in refusal(put(f"a{ending}", zip_bytes(members))).message


def test_bomb_in_many_small_pieces(put: Put) -> None:
    members = epub_members([chapter("a")])
    members["OEBPS/text/1 chapter.xhtml"] = chapter(" " * 2**20)
    package = members["OEBPS/book.opf"]
    assert isinstance(package, str)
    members["OEBPS/book.opf"] = package.replace('<itemref idref="c0"/>', '<itemref idref="c0"/>' * 80)
    assert "too much" in refusal(put("a.epub", zip_bytes(members))).message


def test_bomb_that_lies_about_its_size(put: Put) -> None:
    n_bytes = 2 * MAX_TEXT_BYTES + 12_345
    data = zip_bytes(word_with(b" " * n_bytes))
    real, claimed = struct.pack("<I", n_bytes), struct.pack("<I", 1000)
    assert data.count(real) == 2
    path = put("a.docx", data.replace(real, claimed))
    tracemalloc.start()
    assert "damaged" in refusal(path).message
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_large_pictures_are_no_bomb(put: Put) -> None:
    members = members_of(docx_bytes("text")) | {"word/media/a.png": b"\0" * (MAX_TEXT_BYTES + 1)}
    assert read_document(put("a.docx", zip_bytes(members))).text == "text"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_entities_are_refused(put: Put, encoding: str) -> None:
    laughs = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    body = f"<w:document {nsdecls('w')}><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body></w:document>"
    bomb = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "ha">{laughs}]>{body}'
    assert "entities" in refusal(put("a.docx", zip_bytes(word_with(bomb.encode(encoding))))).message
    package = '<?xml version="1.0"?><!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><package>&x;</package>'
    members = epub_members([chapter("a")]) | {"OEBPS/book.opf": package.encode(encoding)}
    assert "entities" in refusal(put("a.epub", zip_bytes(members))).message


def test_xml_nested_beyond_reason(put: Put) -> None:
    nested = f"<w:document {nsdecls('w')}>" + "<w:p>" * 50_000 + "</w:p>" * 50_000 + "</w:document>"
    assert "nested" in refusal(put("a.docx", zip_bytes(word_with(nested)))).message


def test_too_much_plain_text(put: Put) -> None:
    assert "too much" in refusal(put("a.txt", b"a" * (MAX_TEXT_BYTES + 1))).message


def test_too_large_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 2**20)  # sparse: takes no disk
    assert "513 MB, more than the 512 MB" in refusal(path).message


# --- Other bad input


def test_missing_file(tmp_path: Path) -> None:
    assert "cannot be found" in refusal(tmp_path / "a.txt").message
    with pytest.raises(UserError, match="cannot be found"):
        read_document(Path("a\0.txt"))


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.txt").message


@linux_only
def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "not a file" in refusal(tmp_path / "pipe.txt").message


@linux_only
def test_a_device_without_an_end(tmp_path: Path) -> None:
    (tmp_path / "zeros.txt").symlink_to("/dev/zero")
    assert "not a file" in refusal(tmp_path / "zeros.txt").message


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so as root these lines run as another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@linux_only
def test_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    assert "cannot be found" in refusal(tmp_path / "link.txt").message


@linux_only
def test_file_that_may_not_be_read(put: Put) -> None:
    path = put("a.txt", b"text")
    path.chmod(0)
    with as_nobody():
        assert "you do not have permission" in refusal(path).message


@pytest.mark.parametrize("ending", ENDINGS)
def test_empty_file(put: Put, ending: str) -> None:
    assert refusal(put(f"a{ending}", b"")).message == f"a{ending} is empty."


@pytest.mark.parametrize("data", [b" \r\n\t \n", b"\xef\xbb\xbf", b"\xff\xfe", "\u3000\n".encode("utf-16")])
def test_only_white_space(put: Put, data: bytes) -> None:
    assert "no text" in refusal(put("a.txt", data)).message


@pytest.mark.parametrize("ending", [".txt", ".md", ".html"])
def test_binary_with_the_name_of_text(put: Put, ending: str) -> None:
    noise = random.Random(0).randbytes(5000)
    programs = (
        noise,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + noise,
        b"\x7fELF\x02\x01\x01" + b"\0" * 100,
        b"\0" * 1000,
    )
    for data in (*programs, noise.replace(b"\0", b"")):
        assert "not text" in refusal(put(f"a{ending}", data)).message


@pytest.mark.parametrize("ending", [".hwp", ".xlsx", ".jpg", ".py", ""])
def test_unsupported_ending(put: Put, ending: str) -> None:
    error = refusal(put(f"a{ending}", b"whatever this is"))
    assert "not supported" in error.message
    assert "DOCX" in error.hint


def test_older_office_formats_are_named(put: Put) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    assert "older Office, HWP" in refusal(put("a.doc", ole)).message
    assert "RTF" in refusal(put("a.txt", rb"{\rtf1\ansi text}")).message
    locked = refusal(put("a.docx", ole + "EncryptedPackage".encode("utf-16-le")))
    assert "protected with a password" in locked.message
    assert "Word" in locked.hint


def test_zip_that_is_no_document(put: Put) -> None:
    workbook = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>'
    )
    hwpx = container("Contents/content.hpf", "application/hwpml-package+xml")
    foreign: list[dict[str, str | bytes]] = [
        {"a.txt": "text"},
        {"_rels/.rels": workbook, "xl/workbook.xml": "<workbook/>"},
        {"_rels/.rels": "<Relationships/>"},
        {"META-INF/container.xml": hwpx},
    ]
    for members in foreign:
        for ending in (".docx", ".epub", ".zip"):
            assert "neither a Word document nor" in refusal(put(f"a{ending}", zip_bytes(members))).message
    assert "not in DOCX format" in refusal(put("a.docx", b"no zip at all")).message
    assert "not in EPUB format" in refusal(put("a.epub", b"no zip at all")).message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_archives(put: Put, share: float) -> None:
    for ending, whole in ((".docx", docx_bytes("text")), (".epub", zip_bytes(epub_members([chapter("a")])))):
        assert "damaged" in refusal(put(f"a{ending}", whole[: int(len(whole) * share)])).message


def test_archive_member_that_is_encrypted_or_oddly_packed(put: Put) -> None:
    data = zip_bytes(epub_members([chapter("a")]))
    encrypted = re.sub(rb"(PK\x01\x02.{4})\x00", b"\\g<1>\x01", data, flags=re.DOTALL)
    assert "damaged" in refusal(put("a.epub", encrypted)).message
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        for name, body in epub_members([chapter("a")]).items():
            archive.writestr(name, body)
    assert "packed in a way" in refusal(put("a.epub", out.getvalue())).message


# --- Anything at all

HEADS = (
    b"",
    b"%PDF-1.7\n",
    b"PK\x03\x04",
    b"<!doctype html>",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"<?xml ",
)


def read_or_refuse(path: Path) -> None:
    try:
        document = read_document(path)
    except UserError as error:
        assert error.message.startswith(path.name)
    else:
        assert document.text.strip()
        document.text.encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(ending=st.sampled_from(ENDINGS), head=st.sampled_from(HEADS), data=st.binary(max_size=2000))
def test_random_bytes_give_a_document_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, ending: str, head: bytes, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"random{ending}"
    path.write_bytes(head + data)
    read_or_refuse(path)


GOOD_FILES = {
    ".pdf": pdf_bytes(["text", KOREAN]),
    ".docx": docx_bytes("text", KOREAN),
    ".epub": zip_bytes(epub_members([chapter("text"), chapter(KOREAN)])),
    ".html": f"<title>t</title><table><tr><td>{KOREAN}<pre> x".encode("cp949"),
}


@settings(max_examples=400, deadline=None)
@given(
    ending=st.sampled_from(sorted(GOOD_FILES)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4)), max_size=6),
    keep=st.floats(0.5, 1),
)
def test_damaged_files_give_a_document_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, ending: str, changes: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(GOOD_FILES[ending])
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    path = tmp_path_factory.getbasetemp() / f"damaged{ending}"
    path.write_bytes(bytes(data[: int(len(data) * (keep if keep < 0.9 else 1))]))
    read_or_refuse(path)
