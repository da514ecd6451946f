from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.errors import Refusal
from accounts.services.idempotency import purge_idempotency_records
from accounts.wording import describe


class Command(BaseCommand):
    help = (
        "Delete the remembered answers of requests with an Idempotency-Key that are older than 24 hours. Run it daily."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            count = purge_idempotency_records()
        except Refusal as refusal:
            raise CommandError(describe(refusal)) from refusal
        self.stdout.write(f"{count} remembered answer{'' if count == 1 else 's'} deleted.")
