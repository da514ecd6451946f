"""The matrix as a file: all people and all courses of the filters, in chunks of people, so that memory stays flat."""

import csv
import tempfile
from collections.abc import Iterator
from io import StringIO
from typing import IO, Any, cast

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.writer.excel import save_workbook

from accounts.tables import harmless
from training.admin.matrix import EMPTY, LETTERS, MEANINGS, NOT_REQUIRED, asked_in, letter
from training.matrix import Cell, CellState, Matrix

IN_MEMORY = 1_000_000  # Bytes of a file that are kept out of the disk.
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def matrix_export(request: HttpRequest) -> HttpResponse:
    """Raises Http404 for a format that there is not."""
    matrix = asked_in(request).matrix
    name = f"compliance-matrix-{matrix.organization.slug}-{matrix.today}"
    response: HttpResponseBase
    match request.GET.get("format"):
        case "csv":
            response = StreamingHttpResponse(_csv(matrix), content_type="text/csv; charset=utf-8")
            response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        case "xlsx":
            response = FileResponse(
                _xlsx(matrix), as_attachment=True, filename=f"{name}.xlsx", content_type=SPREADSHEET
            )
        case _:
            raise Http404
    return cast("HttpResponse", response)


def rows_of(matrix: Matrix) -> Iterator[list[str]]:
    """The header, then a row for each person."""
    courses = matrix.courses
    yield _harmless(["Employee number", "Name", *(f"{course.code} {course.title}" for course in courses)])
    for people, cells in matrix.chunks():
        for person in people:
            row = (cells.get((person.pk, course.pk), EMPTY) for course in courses)
            yield _harmless([person.employee_id, person.name, *map(in_file, row)])


def in_file(cell: Cell) -> str:
    """Its letter, and its day: the certificate's last one, or the one on which it is due."""
    if cell.day is None:
        return letter(cell)
    said = f"{LETTERS[cast('CellState', cell.state)]} {cell.day}"
    return said if cell.required else f"({said})"


def _harmless(row: list[str]) -> list[str]:
    return [harmless(text) for text in row]


def _csv(matrix: Matrix) -> Iterator[bytes]:
    buffer = StringIO()
    writer = csv.writer(buffer)
    yield "\ufeff".encode()  # By which spreadsheets know UTF-8.
    for number, row in enumerate(rows_of(matrix)):
        writer.writerow(row)
        if number % 200 == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _xlsx(matrix: Matrix) -> IO[bytes]:
    """A workbook is whole only at its end, so it is written to a temporary file, not to the client."""
    workbook = Workbook(write_only=True)
    sheet: Any = workbook.create_sheet("Compliance matrix")
    sheet.freeze_panes = "C2"
    for row in rows_of(matrix):
        # XML has no place for some control characters.
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", text) for text in row])
    legend: Any = workbook.create_sheet("Legend")
    for state, meaning in MEANINGS.items():
        legend.append([LETTERS[state], meaning])
    legend.append([NOT_REQUIRED, "not required"])
    legend.append(["( )", "held without being required"])
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by the response
    save_workbook(workbook, file)
    file.seek(0)
    return cast("IO[bytes]", file)
