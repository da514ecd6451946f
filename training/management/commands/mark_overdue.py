from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import Actor
from accounts.errors import Busy
from accounts.management.rows import organization_named
from accounts.selectors import organizations
from accounts.wording import describe
from training.services.records import mark_overdue


class Command(BaseCommand):
    help = "Record which due instants have passed, so that the change feed shows it. Run it every minute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one; all of them otherwise")

    def handle(self, *_args: Any, **options: Any) -> None:
        slug = options["organization"]
        chosen = organizations() if slug is None else [organization_named(slug)]
        count, busy = 0, list[str]()
        for organization in chosen:
            try:
                count += mark_overdue(organization=organization, actor=Actor.system())
            except Busy as refusal:
                # The others fall due all the same.
                busy.append(f"{organization.slug}: {describe(refusal)}")
        self.stdout.write(f"{count} train session{'' if count == 1 else 's'} fell due.")
        if busy:
            raise CommandError(" ".join(busy))
