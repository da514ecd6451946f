from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import Actor
from accounts.errors import Refusal
from accounts.selectors import token_by_prefix
from accounts.services.tokens import revoke_token
from accounts.wording import describe


class Command(BaseCommand):
    help = "Revoke an API token: from the next request on, its secret lets nobody in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", metavar="PREFIX", help="the eight characters between the underscores of a secret")

    def handle(self, *_args: Any, **options: Any) -> None:
        token = token_by_prefix(options["prefix"])
        if token is None:
            # What was given is not repeated: it may be a whole secret.
            raise CommandError("There is no token with this prefix: the eight characters between the underscores.")
        try:
            revoke_token(actor=Actor.system(), token=token)
        except Refusal as refusal:
            raise CommandError(describe(refusal)) from refusal
        self.stdout.write(f"Revoked {token} of {token.organization}.")
