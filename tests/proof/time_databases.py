"""Days on one database: all zones in what the families list and filter, some in what is done, and the calendar's ends."""

import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock
from zoneinfo import available_timezones

from tests.proof.ground import Ground
from tests.proof.time_oracle import CALENDAR_DAYS, SOME_DAYS, Clock, clock
from tests.proof.time_properties import Tally

# Midnight skipped, repeated, and gone back over; a day left out; changes of half an hour and of two; seconds.
REMARKABLE = (
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/Havana",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Cairo",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "CET",
)
STILL = ("Etc/GMT+12", "Etc/GMT-14", "UTC")  # Whose clocks are never changed.
CONTROLLED = ("CET", "America/St_Johns")
EACH_DAY, EACH_ZONE = 2, 6
"""Of the days about an unremarkable zone's changes every second is asked for, and of the zones every sixth is acted in."""


@dataclass
class Found:
    listed: Tally = field(default_factory=Tally)
    calendar: Tally = field(default_factory=Tally)
    """Of lists asked for the days of CALENDAR_DAYS."""
    acted: Tally = field(default_factory=Tally)
    limits: Tally = field(default_factory=Tally)
    control: Tally = field(default_factory=Tally)
    """Of SQL that is asked for the days of zones that it does not know as we do. On PostgreSQL."""
    zones: int = 0
    acted_zones: int = 0
    still_zones: int = 0
    """Of the zones that were acted in, those whose clock was never changed."""
    by_sql: int = 0
    """Zones in which the database itself says which day it is."""


def zones(*, short: bool) -> list[str]:
    return sorted([*REMARKABLE, *STILL] if short else available_timezones())


def alike(names: Sequence[str]) -> list[list[Clock]]:
    """Zones by their clocks, those together that are the same."""
    together: dict[tuple[tuple[int, int], ...], list[Clock]] = defaultdict(list)
    for name in names:
        together[clock(name).spans].append(clock(name))
    return list(together.values())


@contextmanager
def sqlite(ground: Ground) -> Iterator[None]:
    """Django set up in this process on a migrated SQLite database. Once in a process."""
    with ground.folder() as folder:
        os.environ.update(
            DATABASE_URL=f"sqlite:///{folder / 'ledger.sqlite3'}",
            DATA_DIR=str(folder),
            DJANGO_SETTINGS_MODULE="config.settings",
            LOG_LEVEL="CRITICAL",
            ALLOWED_HOSTS="testserver",
        )
        import django  # noqa: PLC0415 - after the environment

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415 - after the settings
        from django.db import connection  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        yield
        connection.close()


def measured(kind: str, ground: Ground) -> Found:
    """In a process of its own: settings name one database."""
    for family in ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING"):
        os.environ[f"RATE_LIMIT_{family}"] = ""
    with ground.django() if kind == "postgresql" else sqlite(ground):
        return _found(short=ground.short)


def _found(*, short: bool) -> Found:
    from accounts.expressions import knows_zone  # noqa: PLC0415 - they need the apps
    from tests.proof import time_acts, time_limits, time_listed  # noqa: PLC0415

    found, names = Found(), zones(short=short)
    for clocks in alike(names):
        each = 1 if clocks[0].name in REMARKABLE else EACH_DAY
        with undone():
            time_listed.check(clocks, found.listed, changes=2 if short else -1, each=each, others=1 if short else 4)
        with undone():
            time_listed.check_calendar(clocks, found.calendar, others=1 if short else 3)
    found.zones, found.by_sql = len(names), sum(map(knows_zone, names))
    for name in [*REMARKABLE[::4], STILL[0]] if short else sorted({*REMARKABLE, *STILL, *names[::EACH_ZONE]}):
        changes, dice = clock(name).changes, random.Random(name)
        days = SOME_DAYS[-3:] if short else [*SOME_DAYS, *dice.sample(CALENDAR_DAYS, 2)]
        with undone():
            time_acts.check(clock(name), found.acted, dice.sample(changes, min(len(changes), 1)), days)
        found.acted_zones += 1
        found.still_zones += not changes
    for name in time_limits.ZONES[: 1 if short else None]:
        with undone():
            time_limits.check(name, found.limits)
    if found.by_sql:
        _control(found.control, short=short)
    return found


def _control(tally: Tally, *, short: bool) -> None:
    """The database is asked for the days of zones that it knows not, or whose days it would tell otherwise."""
    from accounts.api import resource  # noqa: PLC0415 - as above
    from tests.proof import time_listed  # noqa: PLC0415

    with mock.patch.object(resource, "knows_zone", return_value=True):
        for name in CONTROLLED[: 1 if short else None]:
            resource._layout.cache_clear()  # noqa: SLF001 - what was laid out for the zone before
            resource._statement.cache_clear()  # noqa: SLF001
            with undone():
                time_listed.check([clock(name)], tally, changes=10 if short else -1, each=1, others=0)
    resource._layout.cache_clear()  # noqa: SLF001
    resource._statement.cache_clear()  # noqa: SLF001


@contextmanager
def undone() -> Iterator[None]:
    """Nothing of it stays: tables that grow would only make the next zone slower."""
    from django.db import transaction  # noqa: PLC0415 - as above

    with transaction.atomic():
        yield
        transaction.set_rollback(True)
