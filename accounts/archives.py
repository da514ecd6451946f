"""The archive of a workbook, from somebody else, with bounds on what openpyxl is given of it.

openpyxl holds a whole row, some hundred bytes for each cell in it, and fills every row up to its last column; strings
and what stands beside the rows it holds to the end. How large a part unpacks to says little of what that costs, so
each part is looked at, by the same kind of parser, as it is read: a row that is too much is never handed over whole.
What is read lies within: 70,000 elements and 8 MB at a time, 1,000,000 strings of 32 MB, and in all 12,000,000
elements and rows 10,000,000 cells wide.
"""

import zipfile
from typing import IO, Any, Self, cast
from xml.parsers import expat

from openpyxl.utils import get_column_letter
from openpyxl.xml.constants import SHEET_MAIN_NS

MOST_ROWS = 1_048_576  # That a sheet can have.
MOST_COLUMNS = 1_000
MOST_STRINGS = 1_000_000
MOST_BYTES_OF_STRINGS = 32_000_000
MOST_WIDTHS = 10_000_000  # Of all rows together, each as wide as its last cell stands far.
MOST_ELEMENTS = 12_000_000
MOST_AT_A_TIME = 70_000  # Elements from one row to the next. A sheet may have 65,530 links behind its last row.
MOST_BYTES_AT_A_TIME = 8_000_000
MOST_BYTES_ALIKE = 1_000_000  # Without another element: of one text, or of one element's attributes.
MOST_FORMULAS = 1_000_000  # Characters of shared formulas, which are worked out again for each cell that has one.
BLOCK = 65_536

ROW, CELL, VALUE, STRING, FORMULA = (f"{SHEET_MAIN_NS}}}{name}" for name in ("row", "c", "v", "si", "f"))
COLUMNS = {get_column_letter(number): number for number in range(1, MOST_COLUMNS + 1)}
DIGITS = "0123456789"
UNPACKS = "unpacks to more than is read. Split it, or save it as CSV."
WIDE = f"has a row of more than {MOST_COLUMNS:,} cells. Delete the columns that are not needed, or save it as CSV."


class TooMuch(Exception):  # noqa: N818 - an answer to whoever sent the file
    """Of what a workbook has too much, in words that go behind its name."""


class BoundedArchive(zipfile.ZipFile):
    """Raises TooMuch, and what expat raises, while a part is read. The sums are of all parts, as often as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.elements = 0
        self.widths = 0

    def open(self, *args: Any, **named: Any) -> IO[bytes]:
        return cast("IO[bytes]", Part(super().open(*args, **named), self))


class Part:
    """A part as it is read. Each row and each string begins a piece; so does the part."""

    def __init__(self, source: IO[bytes], archive: BoundedArchive) -> None:
        self._source, self._archive = source, archive
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.StartElementHandler = self._element
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._bytes = self._rows = self._strings = self._last_at = 0
        self._began_at = self._within = self._cells = self._column = 0  # Of the piece.
        self._began = self._in_formula = False
        self._formula = self._formulas = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._source.close()

    def read(self, size: int = -1) -> bytes:
        if size < 0:  # A small part, which is held.
            content = b""
            while block := self.read(BLOCK):
                content += block
                if len(content) > MOST_BYTES_AT_A_TIME:
                    raise TooMuch(UNPACKS)
            return content
        data = self._source.read(size)
        self._began, within = False, self._within
        self._parser.Parse(data, not data)
        self._bytes += len(data)
        if self._began:
            self._began_at = self._bytes
        if self._began or self._within > within:
            self._last_at = self._bytes
        bounds = (
            (self._bytes - self._last_at, MOST_BYTES_ALIKE),
            (self._bytes - self._began_at, MOST_BYTES_AT_A_TIME),
            (self._bytes if self._strings else 0, MOST_BYTES_OF_STRINGS),
            (self._within, MOST_AT_A_TIME),
            (self._archive.elements + self._within, MOST_ELEMENTS),
        )
        if any(found > most for found, most in bounds):
            raise TooMuch(UNPACKS)
        return data

    def _doctype(self, *_declared: object) -> None:
        raise expat.ExpatError("A document type, which no workbook has.")

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        self._within += 1
        if name == VALUE and not attributes and not self._in_formula:
            return  # Half of all elements.
        if self._in_formula:
            self._in_formula = False
            self._parser.CharacterDataHandler = None
        if name == CELL:
            self._cell(attributes)
        elif name == ROW:
            self._row(attributes)
        elif name == STRING:
            self._begin()
            self._strings += 1
            if self._strings > MOST_STRINGS:
                raise TooMuch(UNPACKS)
        elif name == FORMULA and attributes.get("t") == "shared":
            self._in_formula = True
            self._parser.CharacterDataHandler = self._of_formula
            self._add_formula(self._formula)
        elif self._rows and "r" in attributes:  # openpyxl takes whatever stands in a row for a cell.
            self._cell(attributes)

    def _begin(self) -> None:
        self._archive.elements += self._within
        self._began = True
        self._within = self._cells = self._column = 0

    def _row(self, attributes: dict[str, str]) -> None:
        self._begin()
        self._rows += 1
        if self._rows > MOST_ROWS or float(attributes.get("r", 0)) > MOST_ROWS:
            raise TooMuch(f"has more than {MOST_ROWS:,} rows.")

    def _cell(self, attributes: dict[str, str]) -> None:
        self._cells += 1
        reference = attributes.get("r")
        column = COLUMNS.get(reference.rstrip(DIGITS), MOST_COLUMNS + 1) if reference else self._column + 1
        if self._cells > MOST_COLUMNS or column > MOST_COLUMNS:
            raise TooMuch(WIDE)
        if column > self._column:
            self._archive.widths += column - self._column
            if self._archive.widths > MOST_WIDTHS:
                raise TooMuch(UNPACKS)
            self._column = column

    def _of_formula(self, text: str) -> None:
        self._formula += len(text)
        self._add_formula(len(text))

    def _add_formula(self, length: int) -> None:
        self._formulas += length
        if self._formulas > MOST_FORMULAS:
            raise TooMuch("has formulas. Write their values.")
