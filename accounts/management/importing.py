"""What the commands share that import a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from accounts.bulk import Done
from accounts.management.rows import RowsCommand, organization_named
from accounts.management.tables import STDIN, read_table
from accounts.models import Outcome
from accounts.tables import Columns


class ImportCommand(RowsCommand):
    """A command that takes in a file, chunk by chunk.

    `columns` are those that it knows, `take_in` the service that it calls.
    """

    done = (Outcome.CREATED, Outcome.UPDATED)
    nothing = "Nothing was imported."
    in_chunks = True
    columns: Columns
    take_in: Callable[..., Done]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="CSV in UTF-8 with a header; - is standard input")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        file = options["file"]
        table = read_table(None if str(file) == STDIN else file, self.columns)
        asked = self.asked(organization, options, file=table.name, sha256=table.digest)
        take_in = type(self).take_in  # Not bound: it is a plain function.
        self.act(
            options,
            lambda tell: take_in(
                organization=organization,
                actor=asked.actor,
                columns=table.header,
                rows=table.rows(),
                details=dict(asked.details),
                dry_run=asked.dry_run,
                tell=tell,
            ),
            total=table.count,
        )
