import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, OperationalError, connection
from tqdm import tqdm

from accounts.errors import Refusal
from accounts.models import Organization
from accounts.wording import describe
from config.quickstart import guide
from config.quickstart.access import EMAIL, make_access
from config.quickstart.demo import DEMO
from config.quickstart.documents import DOCUMENTS
from config.quickstart.loading import Source, load, loaded
from config.quickstart.serving import Address, serve


class Command(BaseCommand):
    help = "Set everything up, with two organizations to look at, and serve. Run again, it changes nothing and serves."
    requires_system_checks = ()  # The server's own start checks; here they would ask a database that is not yet there.

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to serve on (default: 127.0.0.1).")
        parser.add_argument("--port", type=port, default=8000, help="Port to serve on (default: 8000).")
        parser.add_argument("--no-serve", action="store_true", help="Set up only.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of the guide.")

    def handle(self, *, host: str, port: int, no_serve: bool, json: bool, **_options: Any) -> None:
        address = Address(host, port)
        if not no_serve:
            try:
                address.check_free()
            except OSError as error:
                raise CommandError(
                    f"Cannot serve on {address.bind}: {error.strerror}. Give another --host or --port."
                ) from error
        try:
            self.set_up(address, as_json=json)
        except OperationalError as error:
            name = connection.settings_dict["NAME"]
            raise CommandError(f"The database {name} cannot be used: {str(error).strip()}") from error
        except IntegrityError as error:
            raise CommandError("The database holds other rows under the ids to load. Give an empty one.") from error
        except Refusal as refusal:
            raise CommandError(describe(refusal)) from refusal
        if not no_serve:
            serve(address)

    def set_up(self, address: Address, *, as_json: bool) -> None:
        self.say("Migrating the database …")
        call_command("migrate", verbosity=0, interactive=False)
        organizations = {source.slug: self.organization_of(source) for source in (DOCUMENTS, DEMO)}
        access = make_access(list(organizations.values()))
        if not as_json:
            self.stdout.write("")
            for line in guide.lines(url=address.url, access=access):
                self.stdout.write(line)
            return
        tokens = {
            key: {
                "organization": organization.slug,
                "company_id": organization.company_id,
                "token": access.tokens[organization.slug],
            }
            for key, organization in organizations.items()
        }
        self.stdout.write(
            json.dumps({**tokens, "admin": {"email": EMAIL, "password": access.password}, "url": address.url})
        )

    def organization_of(self, source: Source) -> Organization:
        return loaded(source) or load(source, lambda total: self.bar(f"Loading {source.name}", total))

    def say(self, line: str) -> None:
        """To whoever watches; standard output is for results."""
        self.stderr.write(line, self.style.HTTP_INFO)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], object]]:
        self.say(f"{title} ({total} rows) …")
        with tqdm(total=total, unit="row", leave=False, disable=None, file=sys.stderr) as shown:
            yield shown.update


def port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:  # noqa: PLR2004 - the ports that there are
        raise argparse.ArgumentTypeError(f"{text!r} is no port. Give a number from 1 to 65535.")
    return int(text)
