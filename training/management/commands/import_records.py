from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from accounts.bulk import Done, Tell
from accounts.management.rows import RowsCommand, organization_named
from accounts.management.tables import STDIN, Columns, read_table
from accounts.models import Outcome
from accounts.services.importing import import_rows
from training.services.importing import RecordImporter

COLUMNS = Columns(
    keys=["employee_id", "username", "mail"],
    required=["course", "completed_on"],
    others=["score", "cert_expiry", "time_spent"],
)


class Command(RowsCommand):
    help = (
        "Import past training records from a CSV file, UTF-8, with a header. Columns: employee_id (or username, or "
        "mail), course (its code), completed_on (YYYY-MM-DD); and, where known, score (0-100), cert_expiry (YYYY-MM-DD), "
        "time_spent (hours). A row is one completion: a person, a course and a day. One that is there already is "
        "corrected where the file says otherwise; an empty cell leaves things as they are. An open record that was "
        "assigned by that day is completed; otherwise a completed record is added. Done in chunks: a run that was "
        "interrupted can be started again. "
        "Example: import_records --organization acme records.csv --dry-run. "
        "Exit status: 0 all imported, 2 some rows refused, 1 nothing imported."
    )
    done = (Outcome.CREATED, Outcome.UPDATED)
    nothing = "Nothing was imported."
    in_chunks = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help="the CSV file; - reads standard input")

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        file: Path = options["file"]
        table = read_table(None if str(file) == STDIN else file, COLUMNS)
        asked = self.asked(organization, options, file=table.name, sha256=table.digest)
        importer = RecordImporter(organization=organization, actor=asked.actor, column=table.key)

        def work(tell: Tell) -> Done:
            return import_rows(
                organization=organization,
                actor=asked.actor,
                importer=importer,
                rows=table.rows(),
                details=dict(asked.details),
                dry_run=asked.dry_run,
                tell=tell,
            )

        self.act(options, work, total=table.count)
