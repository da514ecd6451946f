"""CSV files as spreadsheets and HR systems write them, read through once before anything is done with their rows.

A file that is wrong anywhere is refused as a whole, with the line, and nothing is written. Memory does not grow with
the file: its rows are read again when they are taken. Files that we write are read back as what they were made of:
what `harmless` puts before a text that a spreadsheet would run, reading takes off again.
"""

import csv
import hashlib
import re
import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any, ClassVar

from accounts.bulk import InputRow

# Bytes: no row of ours is longer, and a file without line ends must not fill the memory.
LINE_LENGTH = 100_000
DELIMITERS = (",", ";", "\t")  # What spreadsheets write, by locale.
BLANK = ' \t\r\n,;"'  # What stands in the lines of a spreadsheet's empty rows.
SIGNED_NUMBER = re.compile(r"[+-](?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)")
UNTEXTUAL = ("\t", "\r")  # Behind these, too, spreadsheets look for a formula.


class TableRefused(ValueError):  # noqa: N818 - an answer to whoever sent the file
    """A file that is wrong somewhere, in words for whoever sent it. Nothing of it was done."""


@dataclass(frozen=True)
class Columns:
    """Which columns a file may have.

    `keys`: one of them must be there; where several are, the first named here counts, and the others are passed over.
    `required` must all be there. Where `others` is None, any further column is passed over; otherwise one that is not
    in it is refused.
    """

    keys: Sequence[str]
    required: Collection[str] = ()
    others: Collection[str] | None = None

    def taken(self, header: Sequence[str]) -> list[str]:
        """Those of the header that mean something here."""
        key = next(name for name in self.keys if name in header)
        if self.others is not None:
            return [name for name in header if name == key or name not in self.keys]
        return [key, *(name for name in header if name in self.required)]


def strict(columns: Collection[str]) -> Columns:
    """The first is the key. A column that is none of these is most likely misspelled: the file is refused."""
    key, *others = columns
    return Columns(keys=[key], others=others)


@dataclass
class Table:
    """A file that was found whole. `key` is the column that names people or records; `count` is its rows."""

    # What to look at where a row is longer or shorter than the header.
    also: ClassVar[str] = "Put values that contain a comma in double quotes."

    name: str
    columns: Columns
    content: IO[bytes]
    header: list[str] = field(default_factory=list)
    key: str = ""
    count: int = 0
    digest: str = ""

    def rows(self) -> Iterator[InputRow]:
        self.content.seek(0)
        reader = self._reader()
        next(reader)
        taken = self._taken()
        for line, cells in reader:
            given = {name: cells[position] if position < len(cells) else "" for name, position in taken}
            trimmed = tuple(name for name, text in given.items() if text != text.strip())
            yield InputRow(line, {name: as_it_was(text.strip()) for name, text in given.items()}, trimmed)

    def check(self) -> None:
        """Raises TableRefused."""
        reader = self._reader()
        _, header = next(reader, (0, []))
        self.header = [name.strip() for name in header]
        self._check_header()
        taken = self._taken()
        for line, cells in reader:
            self._check_row(line, cells, taken)
            self.count += 1
        if not self.count:
            raise TableRefused(f"{self.name} has no rows.")
        self.content.seek(0)
        self.digest = hashlib.file_digest(self.content, "sha256").hexdigest()  # type: ignore[arg-type]  # binary files are

    def _taken(self) -> list[tuple[str, int]]:
        """The columns that mean something here, with their positions."""
        return [(name, self.header.index(name)) for name in self.columns.taken(self.header)]

    def _check_header(self) -> None:
        if not self.header:
            raise TableRefused(f"{self.name} is empty.")
        has = f"Its header has: {', '.join(self.header)}."
        columns = self.columns
        twice = [name for name in dict.fromkeys(self.header) if name and self.header.count(name) > 1]
        if twice:
            raise TableRefused(f"{self.name} has the column {twice[0]} twice.")
        if not any(name in self.header for name in columns.keys):
            raise TableRefused(f"{self.name} needs a column {' or '.join(columns.keys)}. {has}")
        if missing := [name for name in columns.required if name not in self.header]:
            raise TableRefused(f"{self.name} needs a column {missing[0]}. {has}")
        known = [*columns.keys, *columns.required, *(columns.others or ())]
        if columns.others is not None and (unknown := [name for name in self.header if name not in known]):
            raise TableRefused(
                f"{self.name} has a column {unknown[0] or '(blank)'}, which means nothing here. "
                f"Known columns: {', '.join(known)}."
            )
        self.key = next(name for name in columns.keys if name in self.header)

    def _check_row(self, line: int, cells: list[str], taken: Sequence[tuple[str, int]]) -> None:
        if self.columns.others is not None and len(cells) != len(self.header):
            raise TableRefused(
                f"{self.name}, line {line}: {len(cells)} values under {len(self.header)} columns. {self.also}"
            )
        for name, position in taken:
            if position < len(cells) and is_formula(cells[position]):
                raise TableRefused(
                    f"{self.name}, line {line}: {name} begins with {cells[position].strip()[0]}, as a formula does. "
                    "Write its value."
                )

    def _reader(self) -> Iterator[tuple[int, list[str]]]:
        """The rows that have any text, each with the line in which it begins. The first is the header."""
        lines = self._lines()
        blank, first = "", next(lines, "")
        while first and not first.strip(BLANK):
            blank, first = blank + first, next(lines, "")
            if len(blank) > LINE_LENGTH:
                return
        delimiter = max(DELIMITERS, key=first.count)
        begins, length = 1, 0

        def again() -> Iterator[str]:
            nonlocal length
            for line in chain(blank.splitlines(keepends=True), [first], lines):
                length += len(line)
                if length > LINE_LENGTH:
                    raise TableRefused(
                        f"{self.name}, line {begins}: a row of more than {LINE_LENGTH:,} characters begins here. "
                        "Is a double quote not closed?"
                    )
                yield line

        reader: Any = csv.reader(again(), strict=True, delimiter=delimiter)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield begins, cells
                begins, length = reader.line_num + 1, 0
        except csv.Error as error:
            raise TableRefused(f"{self.name}, line {begins}: {_in_words(error)}") from error

    def _lines(self) -> Iterator[str]:
        self.content.seek(0)
        number = 0
        while line := self.content.readline(LINE_LENGTH + 1):
            number += 1
            if len(line) > LINE_LENGTH:
                raise TableRefused(f"{self.name}, line {number}: longer than {LINE_LENGTH:,} bytes.")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise TableRefused(f"{self.name}, line {number}: not UTF-8. Save the file as CSV UTF-8.") from error
            if "\0" in text:
                raise TableRefused(f"{self.name}, line {number}: a NUL character. Save the file as CSV UTF-8.")
            yield text


def _in_words(error: csv.Error) -> str:
    said = str(error)
    if said.startswith("unexpected end"):
        return "a double quote is opened here and not closed."
    if said.startswith("new-line character"):
        return "a line end that is none. Save the file as CSV UTF-8."
    if "expected after" in said:
        return "text after a closing double quote. Write a double quote within a value twice."
    return f"{said}."


def is_formula(text: str) -> bool:
    """Whether a spreadsheet that opens the text would run it. A number with a sign is none, nor is a sign alone."""
    text = text.strip()
    if text[:1] in ("=", "@"):
        return True
    return text[:1] in ("+", "-") and len(text) > 1 and SIGNED_NUMBER.fullmatch(text) is None


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula. `as_it_was` undoes it."""
    return f"'{text}" if _would_run(text.lstrip("'")) else text


def as_it_was(text: str) -> str:
    return text[1:] if text.startswith("'") and _would_run(text.lstrip("'")) else text


def _would_run(text: str) -> bool:
    return is_formula(text) or text.startswith(UNTEXTUAL)


def table_in(source: IO[bytes], name: str, columns: Columns, kind: type[Table] = Table) -> Table:
    """The table of a file. Raises TableRefused for one that is wrong anywhere.

    Of a copy: a file that is written to in the meantime is not read half old, half new; a pipe is read once.
    """
    content: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1_000_000)  # noqa: SIM115 - the table's, as long as it lives
    try:
        shutil.copyfileobj(source, content)
    except BaseException:
        content.close()
        raise
    table = kind(name, columns, content)
    weakref.finalize(table, content.close)
    table.check()
    return table
