"""Hostile files, for every import: how they are named, what is in them, and what the form says of them."""

import gzip
from collections.abc import Callable, Mapping

from tests.accounts.sent_files import xlsx_of
from tests.accounts.test_workbooks import MAIN, SHEET, TYPES, packed

MEGABYTES_10 = 10_000_000
UNREADABLE = "{} is no workbook that can be read. Save it as XLSX, or as CSV."
SWOLLEN = "{} unpacks to more than is read. Split it, or save it as CSV."
NEITHER = "This is neither a CSV file nor an XLSX workbook."


def sheet(declared: str, text: str) -> bytes:
    """A sheet of one cell behind a document type of its own."""
    cell = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{text}</t></is></c></row>'
    return (
        f'<?xml version="1.0"?><!DOCTYPE x [{declared}]><worksheet xmlns="{MAIN}"><sheetData>{cell}</sheetData></worksheet>'
    ).encode()


# A billion laughs: nine steps of ten.
LAUGHS = '<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
OF_THIS_MACHINE = '<!ENTITY f SYSTEM "file:///etc/passwd">'
OF_ANOTHER = '<!ENTITY f SYSTEM "http://127.0.0.1:9/x">'
OF_A_DTD = '<!ENTITY % d SYSTEM "file:///etc/passwd"> %d;'
QUADRATIC = f'<!ENTITY q "{"q" * 50_000}">'


Make = Callable[[list[str]], bytes]  # From the header that the import needs.


def workbook(**parts: bytes) -> Make:
    named = {
        "sheet": SHEET,
        "strings": "xl/sharedStrings.xml",
        "types": "[Content_Types].xml",
        "book": "xl/workbook.xml",
    }
    replaced = {named[part]: content for part, content in parts.items()}
    return lambda header: packed(replaced, xlsx_of(header, header))


def spaces(header: list[str]) -> bytes:
    """25 MB in 25 kB."""
    return packed({SHEET: b"<x>" + b" " * 25_000_000 + b"</x>"}, xlsx_of(header))


def csv(*rows: bytes) -> Make:
    return lambda header: b"\n".join([",".join(header).encode(), *rows])


FILES: Mapping[str, tuple[str, Make, str]] = {
    "a bomb": ("f.xlsx", spaces, SWOLLEN),
    "a billion laughs": ("f.xlsx", workbook(sheet=sheet(LAUGHS, "&l9;")), UNREADABLE),
    "a billion laughs in the strings": (
        "f.xlsx",
        workbook(strings=sheet(LAUGHS, "&l9;"), types=TYPES.encode()),
        UNREADABLE,
    ),
    "a billion laughs in the book": ("f.xlsx", workbook(book=sheet(LAUGHS, "&l9;")), UNREADABLE),
    "one laugh often": ("f.xlsx", workbook(sheet=sheet(QUADRATIC, "&q;" * 10_000)), UNREADABLE),
    "a file of this machine": ("f.xlsx", workbook(sheet=sheet(OF_THIS_MACHINE, "&f;")), UNREADABLE),
    "an address": ("f.xlsx", workbook(sheet=sheet(OF_ANOTHER, "&f;")), UNREADABLE),
    "a document type of elsewhere": ("f.xlsx", workbook(sheet=sheet(OF_A_DTD, "x")), UNREADABLE),
    "an archive cut off": ("f.xlsx", lambda header: xlsx_of(header, header)[:-100], UNREADABLE),
    "more than 10 MB": ("f.csv", csv(b"E\n" * (MEGABYTES_10 // 2)), "The file is larger than 10 MB. Split it."),
    "no line ends": ("f.csv", lambda _: b"a" * 5_000_000, "{}, line 1: longer than 100,000 bytes."),
    "a quote without end": (
        "f.csv",
        csv(b'"' + b"a\n" * 1_000_000),
        "{}, line 2: a row of more than 100,000 characters begins here. Is a double quote not closed?",
    ),
    "NUL": ("f.csv", csv(b"E\0"), "{}, line 2: a NUL character. Save the file as CSV UTF-8."),
    "half a surrogate pair": (
        "f.csv",
        csv(b"\xed\xa0\x80"),
        "{}, line 2: not UTF-8. Save the file as CSV UTF-8.",
    ),
    "gzip of 20 MB": (
        "f.csv",
        lambda _: gzip.compress(bytes(20_000_000), 1),
        "{}, line 1: not UTF-8. Save the file as CSV UTF-8.",
    ),
    "gzip by its name": ("f.csv.gz", lambda _: gzip.compress(b"employee_id\n"), NEITHER),
    "a workbook by another name": ("f.csv", lambda header: xlsx_of(header, header), NEITHER),
}  # fmt: skip
# A first column of each import, where a formula stands.
FORMULAS = ("=1+1", "@SUM(A1:A9)", "+cmd|' /C calc'!A0", "-2+3", '=HYPERLINK("http://x")')
