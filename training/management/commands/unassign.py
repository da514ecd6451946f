import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.bulk import Done, InputRow, Tell
from accounts.management.rows import RowsCommand, add_source, organization_named, rows_in_list, table_of
from accounts.models import Outcome
from accounts.tables import Columns
from training.errors import TooManyAtOnce
from training.models import OPEN_STATES, State
from training.services.unassigning import MOST, OpenRecords, unassign_acceptable
from training.wording import describe

COLUMNS = Columns(keys=["id"])
SOURCES = ("ids", "file", "stdin")
FILTERS = ("course", "username", "due_before", "status")


def day_in(text: str) -> date:
    """Raises CommandError for what is no day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Python takes other ISO forms too, such as 2026-W05-1.
    if day is None or day.isoformat() != text:
        raise CommandError(f"--due-before {text} is no day. Write it as 2026-12-31.")
    return day


def percent_in(text: str) -> Decimal:
    """Raises CommandError for what is no number from 0 to 100."""
    percent = Decimal(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) else None
    if percent is None or percent > 100:  # noqa: PLR2004 - percent
        raise CommandError(f"--max-percent {text} is no number from 0 to 100.")
    return percent


class Command(RowsCommand):
    help = (
        "Unassign train sessions: those of a list of ids, or the open ones for which all of the given filters hold. "
        "Completed and unknown ones are reported and left out; the others are unassigned in one transaction. "
        "Enrollments and seats stay, units become free. manage.py undo takes it back. "
        "Exit status: 0 all unassigned, 2 some rows refused, 1 nothing unassigned."
    )
    examples = (
        'manage.py unassign --organization demo --ids 101,102 --reason "Assigned by mistake"',
        'manage.py unassign --organization demo --file records.csv --reason "Site closed" --report done.csv',
        'manage.py unassign --organization demo --username amara.okafor --status assigned --reason "On leave" --dry-run',
        'manage.py unassign --organization demo --course SAFE-101 --max-percent 25 --reason "Replaced by SAFE-102"',
        'manage.py unassign --organization demo --due-before 2026-01-01 --reason "Too late" --as staff@example.com',
    )
    done = (Outcome.UNASSIGNED,)
    nothing = "Nothing was unassigned."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True, metavar="TEXT", help="kept with each record")
        # Not required: filters stand in its place, which argparse cannot say.
        add_source(parser, "ids", columns=COLUMNS, example="101,102", required=False)
        parser.add_argument("--course", metavar="CODE", help="open records of this course, such as SAFE-101")
        parser.add_argument("--username", metavar="U", help="open records of this employee")
        parser.add_argument(
            "--due-before",
            metavar="DATE",
            help="open records due before this day begins in the organization's time zone, such as 2026-12-31",
        )
        states = [state.value for state in OPEN_STATES]
        parser.add_argument("--status", choices=states, help="open records in this state")
        parser.add_argument(
            "--max-percent",
            default=str(MOST),
            metavar="N",
            help="unassign nothing at all where it would be more than this share of the organization's open records "
            f"(default: {MOST})",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        max_percent = percent_in(options["max_percent"])
        which, total, details = self._which(options)
        asked = self.asked(organization, options, **details, max_percent=options["max_percent"])

        def work(tell: Tell) -> Done:
            try:
                return unassign_acceptable(
                    organization=organization,
                    actor=asked.actor,
                    which=which,
                    reason=options["reason"],
                    max_percent=max_percent,
                    details=dict(asked.details),
                    dry_run=asked.dry_run,
                    tell=tell,
                )
            except TooManyAtOnce as refusal:
                raise CommandError(f"{describe(refusal)} Raise --max-percent if that is meant.") from refusal

        self.act(options, work, total=total)

    def further(self, done: Done) -> str:
        if done.operation_id is None or not done.counts.get(Outcome.UNASSIGNED):
            return ""
        return f"manage.py undo {done.operation_id} restores what it took away."

    @staticmethod
    def _which(options: Mapping[str, Any]) -> tuple[Iterable[InputRow] | OpenRecords, int | None, dict[str, Any]]:
        """What is meant, how many rows it is as far as that is known, and what the operation keeps of it."""
        # An empty filter, as of a variable that is not set, is one that matches nothing; left out it would mean all.
        filters = {name: options[name] for name in FILTERS if options.get(name) is not None}
        listed = any(options.get(name) is not None for name in SOURCES)
        if filters and listed:
            raise CommandError("Give either --ids, --file or -, or filters, not both.")
        if not filters and not listed:
            raise CommandError("Give --ids, --file, - or a filter.")
        if filters:
            which = OpenRecords(
                course_code=filters.get("course"),
                username=filters.get("username"),
                due_before=day_in(filters["due_before"]) if "due_before" in filters else None,
                state=State(filters["status"]) if "status" in filters else None,
            )
            return which, None, filters
        table = table_of(options, COLUMNS)
        if table is not None:
            return table.rows(), table.count, {"file": table.name, "sha256": table.digest}
        rows = rows_in_list(options["ids"], "id")
        return rows, len(rows), {}
