"""Files as the admin gets them, and what its pages say of them."""

import io
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from openpyxl import Workbook

from accounts.admin.importing import PEOPLE
from accounts.models import BulkOperation, ImportFile, Person
from enrollments.admin.course_files import COURSES
from enrollments.models import Course
from tests.accounts.admin_pages import Pages, address
from training.admin.record_files import RECORDS
from training.models import TrainSession

MODELS = {"people": Person, "courses": Course, "records": TrainSession}
IMPORTS = {"people": PEOPLE, "courses": COURSES, "records": RECORDS}


def page_of(kind: str, page: str) -> str:
    return address(MODELS[kind], "changelist") + page


def csv_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def xlsx_of(*rows: list[Any]) -> bytes:
    workbook, content = Workbook(), io.BytesIO()
    sheet: Any = workbook.active
    for row in rows:
        sheet.append(row)
    workbook.save(content)
    return content.getvalue()


def send(pages: Pages, content: bytes, name: str = "people.csv", kind: str = "people", query: str = "") -> Any:
    return pages.client.post(page_of(kind, f"import/{query}"), {"file": SimpleUploadedFile(name, content)})


def sent(pages: Pages, content: bytes, name: str = "people.csv", kind: str = "people") -> str:
    """The address of the page that says what the file would do."""
    answer = send(pages, content, name, kind)
    assert answer.status_code == 302, answer.context["form"].errors
    return str(answer.headers["Location"])


def refused(
    pages: Pages, content: bytes, name: str = "people.csv", kind: str = "people", status: int = 422
) -> list[str]:
    """What the form says of the file."""
    answer = send(pages, content, name, kind)
    assert (answer.status_code, ImportFile.objects.count()) == (status, 0)
    return list(answer.context["form"].errors["file"])


def confirm(pages: Pages, where: str) -> BulkOperation:
    answer = pages.client.post(where, {"apply": "1"})
    operation = BulkOperation.objects.latest("pk")
    assert answer.headers["Location"] == address(BulkOperation, "change", operation)
    return operation


def counts(pages: Pages, where: str) -> dict[str, int]:
    return dict(pages.get(where).context["preview"].counts)
