from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser

from accounts.actors import Actor
from accounts.errors import Refusal
from accounts.management.rows import RowsCommand, id_in, organization_named, rows_in
from training.errors import RecordCompleted, RecordUnknown
from training.services.bulk import unassign_acceptable
from training.wording import describe


def why(refusal: Refusal) -> str:
    """The reason for one row, which names its record already."""
    match refusal:
        case RecordUnknown():
            return "there is no such train session, or it is unassigned already."
        case RecordCompleted():
            return "is completed; it stays as it is."
    return describe(refusal)


class Command(RowsCommand):
    help = (
        "Unassign train sessions by their ids. Completed and unknown ones are reported and left out; the others are "
        "unassigned in one transaction. Enrollments and seats stay. "
        "Exit status: 0 all unassigned, 2 some rows refused, 1 nothing unassigned."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="kept with each record")
        self.add_source_arguments(parser, "ids", column="id", example="1,2")

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        # 7 and 007 are one id.
        rows = [
            replace(row, key=str(id_in(row.key) or row.key))
            for row in rows_in(options["ids"], options["file"], column="id")
        ]
        ids = {row.key: id_in(row.key) for row in rows}
        with self.working(len(set(ids.values()))) as progress:
            result = unassign_acceptable(
                organization=organization,
                actor=Actor.system(),
                ids=list(ids.values()),
                reason=options["reason"],
                dry_run=options["dry_run"],
                progress=progress,
            )
        self.report(
            rows,
            {key: why(result.refused[pk]) for key, pk in ids.items() if pk in result.refused},
            done="unassigned",
            count=len(result.ids),
            nothing="Nothing was unassigned.",
            dry_run=options["dry_run"],
        )
