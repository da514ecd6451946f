from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from accounts.bulk import Done, InputRow, Tell
from accounts.days import day_of
from accounts.management.rows import RowsCommand, add_source, organization_named, rows_in_list, table_of
from accounts.models import Organization, Outcome
from accounts.selectors import group_named, group_names, group_people
from accounts.tables import Columns
from training.services.assigning import assign_acceptable

COLUMNS = Columns(keys=["employee_id", "username", "mail"])
NO_DUE = "none"
MOST_GROUPS = 20  # That are named where one is asked for that is not there.


def due_day(text: str, today: date) -> date | None:
    """Raises CommandError for what is no day, and for one that has passed."""
    if text == NO_DUE:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Python takes other ISO forms too, such as 2026-W05-1.
    if day is None or day.isoformat() != text:
        raise CommandError(f"--due {text} is no day. Write it as 2026-12-31, or {NO_DUE}.")
    if day < today:
        raise CommandError(f"--due {text} has passed.")
    return day


def rows_in_group(organization: Organization, name: str) -> list[InputRow]:
    """The active people of a group, by employee number. Raises CommandError where there are none."""
    group = group_named(organization, name)
    if group is None:
        names = group_names(organization)
        more = f" … and {len(names) - MOST_GROUPS:,} more" if len(names) > MOST_GROUPS else ""
        there = f"Groups: {', '.join(names[:MOST_GROUPS])}{more}." if names else "There are none yet."
        raise CommandError(f"There is no group {name!r}. {there}")
    people = group_people(group)
    rows = [InputRow(line, {"employee_id": person.employee_id}) for line, person in enumerate(people, start=1)]
    if not rows:
        raise CommandError(f"Nobody active is in the group {name}.")
    return rows


class Command(RowsCommand):
    help = (
        "Assign a course to people. Who cannot have it is reported and left out; the others get it in one transaction. "
        "Who has an open record of the course keeps that one, with its own due date. "
        "Exit status: 0 all assigned, 2 some rows refused, 1 nobody assigned."
    )
    examples = (
        "manage.py assign --organization demo --course SAFE-101 --employees EMP-042,EMP-043 --due 2026-12-31",
        "manage.py assign --organization demo --course SAFE-101 --group Warehouse --due 2026-12-31 --dry-run",
        "manage.py assign --organization demo --course SAFE-101 --file people.csv --due none --report done.csv",
        "manage.py assign --organization demo --course SAFE-101 - --due none --as staff@example.com --json < people.csv",
    )
    done = (Outcome.ASSIGNED,)
    nothing = "Nobody was assigned."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--course", required=True, metavar="CODE", help="such as SAFE-101")
        add_source(
            parser, "employees", columns=COLUMNS, example="EMP-042,EMP-043", group="the active people of this group"
        )
        parser.add_argument(
            "--due",
            required=True,
            metavar="DATE",
            help=f"the last day, in the organization's time zone, such as 2026-12-31; or {NO_DUE}",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        due_on = due_day(options["due"], day_of(timezone.now(), organization.zone))
        column, rows, source = self._source(organization, options)
        asked = self.asked(organization, options, course=options["course"], due=options["due"], **source)

        def work(tell: Tell) -> Done:
            done = assign_acceptable(
                organization=organization,
                actor=asked.actor,
                course_code=options["course"],
                column=column,
                rows=rows,
                due_on=due_on,
                details=dict(asked.details),
                dry_run=asked.dry_run,
                tell=tell,
            )
            mend = "Add units of the course" if done.stopped else "Mend the refused rows"
            self.nothing = f"Nobody was assigned. {mend} and run it again."
            return done

        self.act(options, work, total=len(rows))

    @staticmethod
    def _source(
        organization: Organization, options: Mapping[str, Any]
    ) -> tuple[str, Sequence[InputRow], dict[str, str]]:
        """The column that names people, the rows, and where they are from."""
        table = table_of(options, COLUMNS)
        if table is not None:
            return table.key, list(table.rows()), {"file": table.name, "sha256": table.digest}
        if options["group"] is not None:
            return "employee_id", rows_in_group(organization, options["group"]), {"group": options["group"]}
        return "employee_id", rows_in_list(options["employees"], "employee_id"), {}
