from typing import Any

from django.core.management.base import CommandError

from accounts.bulk import Done, Tell
from accounts.management.rows import RowsCommand, organization_named
from accounts.models import Outcome
from training.services.requirements import apply_requirements


class Command(RowsCommand):
    help = (
        "Open the train sessions that requirements ask for and that are missing: where an active employee has neither "
        "an open one of a required course nor a valid completed one. A course that is archived or has too few units "
        "is reported and left out. To be run every night or so. "
        "Exit status: 0 nothing is missing any more, 2 some rows refused, 1 nothing could be opened."
    )
    examples = (
        "manage.py apply_requirements --organization demo --dry-run --report missing.csv",
        "manage.py apply_requirements --organization demo --as staff@example.com --json",
    )
    done = (Outcome.ASSIGNED,)
    in_chunks = True
    nothing = "Nothing was opened. Mend what was refused and run it again."

    def handle(self, *_args: Any, **options: Any) -> None:
        organization = organization_named(options["organization"])
        asked = self.asked(organization, options)
        complete = False

        def work(tell: Tell) -> Done:
            nonlocal complete
            done = apply_requirements(
                organization=organization,
                actor=asked.actor,
                details=dict(asked.details),
                dry_run=asked.dry_run,
                tell=tell,
            )
            complete = not done.counts
            return done

        try:
            self.act(options, work)
        except CommandError as error:
            # That nothing was done is no failure where nothing was missing.
            if not complete or str(error) != self.nothing:
                raise
            if not options["json"]:
                self.stdout.write("Nothing is missing.")
