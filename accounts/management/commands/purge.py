from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.errors import Refusal
from accounts.services.idempotency import purge_idempotency_records
from accounts.services.import_files import purge_import_files
from accounts.wording import describe


class Command(BaseCommand):
    help = (
        "Delete the remembered answers of requests with an Idempotency-Key, and the files that wait for somebody to "
        "confirm their import, that are older than 24 hours. Run it daily."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            count, files = purge_idempotency_records(), purge_import_files()
        except Refusal as refusal:
            raise CommandError(describe(refusal)) from refusal
        self.stdout.write(f"{count} remembered answer{'' if count == 1 else 's'} deleted.")
        if files:
            self.stdout.write(f"{files} waiting file{'' if files == 1 else 's'} deleted.")
