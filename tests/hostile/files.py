"""Hostile files, for every import: how they are named, what is in them, and what the form says of them."""

import gzip
import random
from collections.abc import Callable, Mapping

from tests.accounts.sent_files import xlsx_of
from tests.accounts.test_workbooks import MAIN, SHEET, TYPES, packed

MEGABYTES_10 = 10_000_000
UNREADABLE = "{} is no workbook that can be read. Save it as XLSX, or as CSV."
SWOLLEN = "{} unpacks to more than is read. Split it, or save it as CSV."
NEITHER = "This is neither a CSV file nor an XLSX workbook."
LARGE = "The file is larger than 10 MB. Split it."
WIDE = "{} has a row of more than 1,000 cells. Delete the columns that are not needed, or save it as CSV."
FAR = "{} has more than 1,048,576 rows."
FORMULAS_SHARED = "{} has formulas. Write their values."


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


def noise(size: int) -> str:
    """A comment that hides from its size how well the rest of a part is packed."""
    return f"<!--{random.Random(7).randbytes(size).hex()}-->"


def rows(*xml: str) -> Make:
    return workbook(sheet=f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(xml)}</sheetData></worksheet>'.encode())


def wide(count: int) -> str:
    """Rows of one cell each, as far out as a reference can say."""
    return "".join(f'<row r="{row}"><c r="ZZZ{row}"/></row>' for row in range(1, count + 1))


def shared_formulas() -> str:
    """One long formula, which every further cell has in its own way."""
    formula = "+".join(f"A{row}" for row in range(1, 10_000))
    return f'<row r="1"><c r="A1"><f t="shared" si="0">{formula}</f></c>' + '<c><f t="shared" si="0"/></c>' * 900


# Small files that are made large by whoever reads them, not by unpacking.
COSTLY: Mapping[str, tuple[Make, str]] = {
    "a row of 500,000 cells": (rows(noise(40_000), "<row>", "<c/>" * 500_000, "</row>"), WIDE),
    "a row of 300,000 other things": (rows(noise(40_000), "<row>", "<x/>" * 300_000, "</row>"), SWOLLEN),
    "a million elements": (rows(noise(40_000), "<x/>" * 1_000_000), SWOLLEN),
    "rows as wide as can be": (rows(noise(10_000), wide(1_500)), WIDE),
    "rows as wide as can be, in another alphabet": (
        workbook(sheet=f'<worksheet xmlns="{MAIN}"><sheetData>{wide(1_500)}</sheetData></worksheet>'.encode("utf-16")),
        WIDE,
    ),
    "a far row": (rows('<row r="99999999999"><c r="A99999999999" t="inlineStr"><is><t>E</t></is></c></row>'), FAR),
    "an attribute": (rows(noise(80_000), f'<row a="{"a" * 4_000_000}"/>'), SWOLLEN),
    "a long formula often": (rows(shared_formulas(), "</row>"), FORMULAS_SHARED),
}


def csv(*rows: bytes) -> Make:
    return lambda header: b"\n".join([",".join(header).encode(), *rows])


FILES: Mapping[str, tuple[str, Make, str]] = {
    **{what: ("f.xlsx", make, said) for what, (make, said) in COSTLY.items()},
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
    "more than 10 MB": ("f.csv", csv(b"E\n" * (MEGABYTES_10 // 2)), LARGE),
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


def status_of(said: str) -> int:
    return 413 if said == LARGE else 422


# In the first column of an import, and in what an export shows.
FORMULAS = ("=1+1", "@SUM(A1:A9)", "+cmd|' /C calc'!A0", "-2+3", '=HYPERLINK("http://x")')
