"""The files that commands are given: on disk, through a pipe, or on standard input."""

import sys
from pathlib import Path

from django.core.management.base import CommandError

from accounts.tables import Columns, Table, TableRefused, table_in

STDIN = "-"


def read_table(source: Path | None, columns: Columns) -> Table:
    """The table of a file, or, for None, of standard input. Raises CommandError for one that is wrong anywhere, and
    for Ctrl-C, which may well come while one is typed or copied.
    """
    try:
        if source is None:
            return table_in(sys.stdin.buffer, "standard input", columns)
        with source.open("rb") as file:
            return table_in(file, str(source), columns)
    except TableRefused as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}.") from error
    except KeyboardInterrupt:
        raise CommandError("Interrupted. Nothing was done.") from None
