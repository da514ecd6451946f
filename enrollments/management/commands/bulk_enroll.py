from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.bulk import Done, Tell
from accounts.management.rows import RowsCommand, add_source, id_in, organization_named, rows_in_list, table_of
from accounts.models import Outcome
from accounts.tables import Columns
from enrollments.errors import SessionFull
from enrollments.services.bulk import BulkEnrolled, OnFull, enroll_acceptable

COLUMNS = Columns(keys=["employee_id", "username", "mail"])


def advice(done: BulkEnrolled, on_full: OnFull) -> str:
    """What to do where nobody was enrolled."""
    if done.lack is None:
        return "Mend the refused rows and run it again."
    room = "Raise the session's limit" if isinstance(done.lack, SessionFull) else "Add units of the course"
    return f"{room}, or give --on-full partial." if on_full == OnFull.FAIL else f"{room} and run it again."


class Command(RowsCommand):
    help = (
        "Enroll people in a session. Who cannot be enrolled is reported and left out; the others are enrolled, in one "
        "transaction. "
        "Exit status: 0 all enrolled, 2 some rows refused, 1 nobody enrolled."
    )
    examples = (
        "manage.py bulk_enroll --organization demo --session 8 --employees EMP-042,EMP-043",
        "manage.py bulk_enroll --organization demo --session 8 --file people.csv --dry-run",
        "manage.py bulk_enroll --organization demo --session 8 --file people.csv --on-full partial --report done.csv",
        "manage.py bulk_enroll --organization demo --session 8 - --as staff@example.com --json < people.csv",
    )
    done = (Outcome.ENROLLED,)
    nothing = "Nobody was enrolled."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--session", required=True, metavar="ID", help="such as 8")
        add_source(parser, "employees", columns=COLUMNS, example="EMP-042,EMP-043")
        parser.add_argument(
            "--on-full",
            choices=[choice.value for choice in OnFull],
            default=OnFull.FAIL.value,
            help="where seats or units do not suffice for everybody: fail enrolls nobody, partial those whom the list "
            "or file names first (default: fail)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        session_id = id_in(options["session"])
        if not session_id:
            raise CommandError(f"There is no session {options['session']}.")
        on_full = OnFull(options["on_full"])
        table = table_of(options, COLUMNS)
        column, rows = "employee_id", rows_in_list(options["employees"], "employee_id") if table is None else []
        details: dict[str, Any] = {"session": session_id, "on_full": on_full.value}
        if table is not None:
            column, rows = table.key, list(table.rows())
            details |= {"file": table.name, "sha256": table.digest}
        asked = self.asked(organization, options, **details)

        def work(tell: Tell) -> Done:
            done = enroll_acceptable(
                organization=organization,
                actor=asked.actor,
                session_id=session_id,
                column=column,
                rows=rows,
                on_full=on_full,
                details=dict(asked.details),
                dry_run=asked.dry_run,
                tell=tell,
            )
            self.nothing = f"Nobody was enrolled. {advice(done, on_full)}"
            return done

        self.act(options, work, total=len(rows))
