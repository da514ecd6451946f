"""Workbooks (XLSX), read by the same rules as CSV files, and written.

A workbook is a packed archive of XML from somebody else: how much it unpacks to is looked at before anything reads it,
and what it is made of while it is read for the first time (accounts/archives.py). XML that declares entities is refused
there, too; openpyxl uses defusedxml besides, which this module insists on.
"""

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import IO, Any, cast

from openpyxl import DEFUSEDXML, Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.reader.excel import ExcelReader
from openpyxl.writer.excel import save_workbook

from accounts.archives import MOST_ROWS, UNPACKS, BoundedArchive, TooMuch
from accounts.tables import LINE_LENGTH, Table, TableRefused

assert DEFUSEDXML, "Without defusedxml a workbook could name files of this machine and grow without end."  # noqa: S101 - at start

MARK = b"PK\x03\x04"  # How every archive of this kind begins.
OLD_MARK = b"\xd0\xcf\x11\xe0"  # How workbooks of before 2007 do.
MOST_UNPACKED = 100_000_000  # Bytes. A workbook of 10 MB with real cells has half of that.
MOST_PARTS = 1_000
MOST_PACKED = 200  # Times that a part may be larger than it is packed.
SMALL = 1_000_000  # Bytes of a part of which that is no matter.
ERRORS = {"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!"}  # Where a formula failed.
IN_MEMORY = 1_000_000  # Bytes of a file that are kept out of the disk.


class SheetTable(Table):
    """The first sheet of a workbook. A row is named by its number in the sheet."""

    also = "The cells beside the header's must be empty."

    _looked_at = False  # To its end, within the bounds.

    def check(self) -> None:
        self._check_archive()
        super().check()
        self._looked_at = True

    def _check_archive(self) -> None:
        """Raises TableRefused."""
        self.content.seek(0)
        try:
            with zipfile.ZipFile(self.content) as archive:
                parts = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise TableRefused(f"{self.name} is no workbook that can be read. Save it as XLSX, or as CSV.") from error
        swollen = any(
            part.file_size > SMALL and part.file_size > MOST_PACKED * max(part.compress_size, 1) for part in parts
        )
        if len(parts) > MOST_PARTS or swollen or sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise TableRefused(f"{self.name} {UNPACKS}")

    def _reader(self) -> Iterator[tuple[int, list[str]]]:
        """The rows that have any text, each with its number. The first is the header."""
        width = 0
        for line, values in self._values():
            if line > MOST_ROWS:
                raise TableRefused(f"{self.name} has more than {MOST_ROWS:,} rows.")
            cells = [self._text(line, value) for value in values]
            if sum(map(len, cells)) > LINE_LENGTH:
                raise TableRefused(f"{self.name}, line {line}: more than {LINE_LENGTH:,} characters.")
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                width = width or len(cells)
                yield line, cells + [""] * (width - len(cells))

    def _values(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        self.content.seek(0)
        try:
            # With formulas as they are written, so that they can be refused, and not as what they once came to.
            reader = ExcelReader(self.content, read_only=True, keep_links=False)
            if not self._looked_at:
                reader.archive = BoundedArchive(self.content)
            reader.read()
            sheet: Any = reader.wb.worksheets[0]
            sheet.reset_dimensions()  # What a sheet says of its own size need not be true.
            yield from enumerate(sheet.iter_rows(values_only=True), start=1)
        except TooMuch as error:
            raise TableRefused(f"{self.name} {error}") from error
        except Exception as error:  # What openpyxl raises at a broken or a hostile file is of any kind.
            raise TableRefused(f"{self.name} is no workbook that can be read. Save it as XLSX, or as CSV.") from error

    def _text(self, line: int, value: Any) -> str:
        """What a cell says, as one would type it into a CSV file."""
        if value in ERRORS:
            raise TableRefused(f"{self.name}, line {line}: a cell shows {value}. Write its value.")
        match value:
            case None:
                text = ""
            case bool():
                text = "true" if value else "false"
            case float():
                text = f"{value:.15g}" if abs(value) >= 1 else f"{value:.15f}".rstrip("0").rstrip(".")
            case datetime() if value.time() == time.min:
                text = value.date().isoformat()
            case datetime() | date() | time():
                text = value.isoformat()
            case str() | int():
                text = str(value)
            case _:
                text = f"={value}"  # A formula of a kind of its own: refused as any other.
        return text


def workbook_of(rows: Iterable[list[str]], title: str) -> IO[bytes]:
    """A workbook with one sheet, its first row kept in sight. Raises TableRefused for more rows than a sheet has.

    Whole only at its end, so it is written to a temporary file, row by row: memory stays flat.
    """
    workbook = Workbook(write_only=True)
    sheet: Any = workbook.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            sheet.close()
            raise TableRefused(f"A workbook holds {MOST_ROWS:,} rows at most. Filter the list, or export it as CSV.")
        # XML has no place for some control characters.
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", text) for text in row])
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever sends it
    save_workbook(workbook, file)
    file.seek(0)
    return cast("IO[bytes]", file)
