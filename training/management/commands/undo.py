from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.bulk import Done, Tell
from accounts.management.rows import RowsCommand, id_in, organization_named
from accounts.models import BulkOperation, Outcome
from accounts.selectors import operation_by_id
from training.services.undoing import undo


def operation_named(number: str, slug: str | None) -> BulkOperation:
    """Raises CommandError where there is none, or where it is another organization's than the one named."""
    organization = None if slug is None else organization_named(slug)
    operation = operation_by_id(id_in(number))
    if operation is None or organization not in (None, operation.organization):
        raise CommandError(f"There is no operation {number}.")
    return operation


class Command(RowsCommand):
    help = (
        "Restore what an unassign took away: each train session as it was, with its unit where that is still free, "
        "else with another one. What cannot be restored, because the employee was assigned anew or has completed the "
        "course since, is reported and left out; the others are restored in one transaction. "
        "Exit status: 0 all restored, 2 some rows refused, 1 nothing restored."
    )
    examples = (
        "manage.py undo 12 --dry-run",
        "manage.py undo 12 --organization demo --as staff@example.com --report done.csv",
    )
    done = (Outcome.RESTORED,)
    nothing = "Nothing was restored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("operation", metavar="OPERATION", help="the number that unassign printed, such as 12")
        parser.add_argument("--organization", metavar="SLUG", help="refuse an operation of another organization")
        self.add_shared_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        operation = operation_named(options["operation"], options["organization"])
        asked = self.asked(operation.organization, options)

        def work(tell: Tell) -> Done:
            return undo(
                operation=operation,
                actor=asked.actor,
                details=dict(asked.details),
                dry_run=asked.dry_run,
                tell=tell,
            )

        self.act(options, work, total=operation.counts.get(Outcome.UNASSIGNED))
