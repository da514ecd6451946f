from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.actors import Actor
from accounts.errors import PeopleInactive, PeopleUnknown, Refusal
from accounts.management.rows import RowsCommand, id_in, organization_named, rows_in
from accounts.wording import listed
from enrollments.errors import AlreadyEnrolled, PrerequisitesUnmet
from enrollments.services.bulk import enroll_acceptable
from enrollments.wording import describe


def why(refusal: Refusal) -> str:
    """The reason for one row, which names its person already."""
    match refusal:
        case PeopleUnknown():
            return "there is no such employee."
        case PeopleInactive():
            return "the employee is inactive."
        case AlreadyEnrolled():
            return "is enrolled already."
        case PrerequisitesUnmet(missing=missing):
            return f"has not completed {listed([code for codes in missing.values() for code in codes])}."
    return describe(refusal)


class Command(RowsCommand):
    help = (
        "Enroll people in a session by their employee numbers. Who cannot be enrolled is reported and left out; the "
        "others are enrolled, all of them or, where the seats do not suffice, nobody. "
        "Exit status: 0 all enrolled, 2 some rows refused, 1 nobody enrolled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--session", required=True, metavar="ID")
        self.add_source_arguments(parser, "employees", column="employee_id", example="EMP-042,…")

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        rows = rows_in(options["employees"], options["file"], column="employee_id")
        session_id = id_in(options["session"])
        if not session_id:
            raise CommandError(f"There is no session {options['session']}.")
        keys = list(dict.fromkeys(row.key for row in rows))
        with self.working(len(keys)) as progress:
            result = enroll_acceptable(
                organization=organization,
                actor=Actor.system(),
                session_id=session_id,
                employee_ids=keys,
                dry_run=options["dry_run"],
                progress=progress,
            )
        stopped = "" if result.stopped is None else f"{describe(result.stopped)} "
        self.report(
            rows,
            {key: why(refusal) for key, refusal in result.refused.items()},
            done="enrolled",
            count=len(result.enrollments),
            nothing=f"{stopped}Nobody was enrolled.",
            dry_run=options["dry_run"],
        )
