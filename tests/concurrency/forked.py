"""A process that forks one child for each line of standard input, so that a killed run costs no start of Python.

    python -m tests.concurrency.forked

A line is JSON: `{"do": "prepare"|"command"|"state", "arguments": […]}`. The child's process id is printed at once, and,
when it has ended, `{"pid": …, "status": …, "answer": …}`; the status is minus the signal for one that was killed.
"""

import contextlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import django

CHUNK = 20  # Rows in one transaction: many transactions to be killed between and within.


def prepare(*slugs: str) -> None:
    """Organizations that all have the same rows before an import."""
    from accounts.transactions import write  # noqa: PLC0415 - models can be imported once Django is set up
    from tests.acts import ACTOR  # noqa: PLC0415
    from tests.factories import CourseFactory, OrganizationFactory, PersonFactory  # noqa: PLC0415
    from training.services import records  # noqa: PLC0415

    with write():
        for slug in slugs:
            organization = OrganizationFactory.create(slug=slug)
            courses = [
                CourseFactory.create(
                    organization=organization, code=f"C{number}", title="Before", certificate_months=12
                )
                for number in range(5)
            ]
            for number in range(0, 60, 3):
                person = PersonFactory.create(
                    organization=organization,
                    employee_id=f"E{number}",
                    last_name="Before",
                    username=f"e{number}",
                    mail=f"e{number}@example.com",
                )
                records.assign(
                    organization=organization, actor=ACTOR, course_id=courses[number % 5].pk, person_ids=[person.pk]
                )


def command(*arguments: str) -> int:
    from django.core.management import call_command  # noqa: PLC0415 - as above
    from django.core.management.base import CommandError  # noqa: PLC0415

    with contextlib.redirect_stdout(io.StringIO()):
        try:
            call_command(*arguments)
        except SystemExit as left:
            return int(left.code or 0)
        except CommandError as error:
            sys.stderr.write(f"{error}\n")
            return error.returncode
    return 0


def state(slug: str) -> dict[str, Any]:
    """All that an import may write, by natural keys and without what differs from run to run."""
    from django.db.models import BooleanField, ExpressionWrapper, Q  # noqa: PLC0415 - as above

    from accounts.models import (  # noqa: PLC0415
        BulkOperation,
        BulkRow,
        Group,
        OperationKind,
        Organization,
        Person,
    )
    from enrollments.models import Course, Prerequisite  # noqa: PLC0415
    from training.models import TrainSession  # noqa: PLC0415

    organization = Organization.objects.get(slug=slug)
    people = Person.objects.of(organization).order_by("employee_id")
    courses = Course.objects.of(organization).order_by("code")
    records = TrainSession.objects.of(organization).order_by("person__employee_id", "course__code", "completed_at")
    operations = BulkOperation.objects.of(organization).exclude(kind=OperationKind.UNASSIGN).order_by("pk")
    # What people who became inactive had open, by the chunks in which they did.
    taken_back = BulkOperation.objects.of(organization).filter(kind=OperationKind.UNASSIGN)
    return {
        "people": list(people.values_list("employee_id", "search_name", "last_name", "mail", "username", "active")),
        "groups": sorted(Group.objects.of(organization).values_list("name", "people__employee_id")),
        "courses": list(courses.values_list("code", "title", "search_title", "duration_hours", "certificate_months")),
        "prerequisites": sorted(Prerequisite.objects.of(organization).values_list("course__code", "required__code")),
        "records": list(
            records.annotate(gone=ExpressionWrapper(~Q(unassigned_at=None), BooleanField())).values_list(
                *("person__employee_id", "course__code", "state", "completed_at", "score", "cert_expiry", "percent"),
                *("origin", "gone", "unassign_reason"),
            )
        ),
        "taken back": sum(sum(operation.counts.values()) for operation in taken_back),
        "operations": [
            {
                "finished": operation.finished_at is not None,
                "counts": operation.counts,
                "rows": BulkRow.objects.of(organization).filter(operation=operation).count(),
            }
            for operation in operations
        ],
    }


ACTS: dict[str, Callable[..., Any]] = {"prepare": prepare, "command": command, "state": state}


def child(asked: dict[str, Any], pipe: int) -> None:
    answer = ACTS[asked["do"]](*asked["arguments"])
    with os.fdopen(pipe, "w") as out:
        json.dump(answer, out, default=str)


def serve(line: str, speaking: threading.Lock) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            child(json.loads(line), writing)
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process ends here
            sys.stderr.write(f"{error!r}\n")
            os._exit(70)
        os._exit(0)
    os.close(writing)
    with speaking:
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    threading.Thread(target=wait, args=(pid, reading, speaking)).start()


def wait(pid: int, reading: int, speaking: threading.Lock) -> None:
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    ended = {"pid": pid, "status": os.waitstatus_to_exitcode(status), "answer": json.loads(answer) if answer else None}
    with speaking:
        sys.stdout.write(f"{json.dumps(ended)}\n")
        sys.stdout.flush()


def main() -> None:
    django.setup()
    import tests.factories  # noqa: F401, PLC0415 - imported once, here, for all children
    from accounts.services import importing  # noqa: PLC0415

    importing.CHUNK = CHUNK
    speaking = threading.Lock()
    for line in sys.stdin:
        serve(line, speaking)


if __name__ == "__main__":
    main()
