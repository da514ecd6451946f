from datetime import datetime, tzinfo
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actors import Actor
from accounts.days import day_end, day_of
from accounts.errors import Refusal
from accounts.management.rows import organization_named
from accounts.scopes import Scope
from accounts.services.tokens import create_token
from accounts.wording import describe


def end_of(text: str, zone: tzinfo) -> datetime:
    try:
        # In exactly this form: Python's own reader also takes 20270131 and 2027-W04-7.
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone yet
    except ValueError as error:
        raise CommandError(f"--expires is {text!r}. Give a day such as 2027-01-31.") from error
    if day < day_of(timezone.now(), zone):
        raise CommandError(f"--expires is {text}, which is past. Give today, or a later day.")
    return day_end(day, zone)


class Command(BaseCommand):
    help = "Create an API token. Its secret, printed alone on standard output, is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True, help="what or whom it is for")
        parser.add_argument("--scopes", required=True, metavar="A,B", help=", ".join(Scope.values))
        parser.add_argument(
            "--expires", metavar="DATE", help="its last day, in the organization's time zone; never, unless given"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        expires = options["expires"]
        try:
            _, secret = create_token(
                organization=organization,
                actor=Actor.system(),
                name=options["name"],
                scopes=[scope for text in options["scopes"].split(",") if (scope := text.strip())],
                expires_at=None if expires is None else end_of(expires, organization.zone),
            )
        except Refusal as refusal:
            raise CommandError(describe(refusal)) from refusal
        self.stdout.write(secret)
