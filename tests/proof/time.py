"""Time: a day filter, a due date and a certificate's last day mean the organization's day, in every zone of the IANA
database and about every change of its clock from 1970 to 2037, on both databases.
"""

import multiprocessing
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta

from tests.proof.figures import Figure
from tests.proof.ground import Ground
from tests.proof.time_databases import Found, alike, measured, zones
from tests.proof.time_oracle import CALENDAR_DAYS, calendar_clock, clock
from tests.proof.time_properties import (
    MONTHS_OF_30_DAYS,
    PRODUCT,
    UTC_DAYS,
    Meanings,
    Tally,
    about,
    certificates,
    on_day,
)

KINDS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
CONTROLLED = 10  # Every so manieth zone is enough for a control.


def prove(ground: Ground) -> Iterable[Figure]:
    with ProcessPoolExecutor(len(KINDS), multiprocessing.get_context("spawn")) as processes:
        running = {kind: processes.submit(measured, kind, ground) for kind in KINDS}
        names = zones(short=ground.short)
        product, on_days = everywhere(names, PRODUCT), by_the_calendar(names, PRODUCT)
        controls = everywhere(names[::CONTROLLED], UTC_DAYS), everywhere(names[::CONTROLLED], MONTHS_OF_30_DAYS)
        controls_on_days = by_the_calendar(names[::CONTROLLED], UTC_DAYS)
        by_calendar = Tally()
        certificates(days(365 if ground.short else 10 * 365), PRODUCT, by_calendar)
        found = {kind: one.result() for kind, one in running.items()}
    changes = sum(len(clock(name).changes) for name in names)
    yield figure(
        f"all meanings of the days about {changes:,} clock changes of {len(names)} zones ({len(alike(names))} clocks)",
        product,
        f"{changes:,} clock changes of {len(names)} zones",
    )
    still = sum(not clock(name).changes for name in names)
    yield figure(
        f"all meanings of {len(CALENDAR_DAYS)} days (29 February, the ends of months and years, 2100) in {len(names)} zones, "
        f"{still} of them without a clock change",
        on_days,
        f"ends of months and years, 29 February in {len(names)} zones",
    )
    yield figure(
        "certificates of 1 to 60 months from every day of years, leap days and ends of months too",
        by_calendar,
        "certificates from every day of years",
    )
    for kind, name in KINDS.items():
        yield from on_database(name, found[kind])
    utc, thirty = controls
    yield control("days of UTC instead of the organization's", utc, 5)
    yield control("days of UTC at the ends of months and years", controls_on_days, 5)
    yield control("months of 30 days", thirty, 1)
    yield control("SQL asked for the days of zones that it does not know as we do", found["postgresql"].control, 1)


def everywhere(names: list[str], meanings: Meanings) -> Tally:
    tally = Tally()
    for name in names:
        for change in clock(name).changes:
            about(clock(name), change, meanings, tally)
    return tally


def by_the_calendar(names: list[str], meanings: Meanings) -> Tally:
    tally = Tally()
    for name in names:
        for number in CALENDAR_DAYS:
            on_day(calendar_clock(clock(name), number), number, meanings, tally)
    return tally


def days(count: int) -> Iterable[date]:
    """Half of them about a 29 February, half about one that a century leaves out."""
    for start in (date(2027, 1, 1), date(2096, 1, 1)):
        yield from (start + timedelta(days=number) for number in range(count // 2))


def on_database(name: str, found: Found) -> Iterable[Figure]:
    by_sql = f", in {found.by_sql} of them by its own SQL" if found.by_sql else ""
    yield figure(f"{name}: what is listed and filtered in {found.zones} zones{by_sql}", found.listed, f"{name} lists")
    yield figure(
        f"{name}: lists asked for 29 February, ends of months and years, 2100 in {found.zones} zones",
        found.calendar,
        f"{name} lists at the ends of months",
    )
    yield figure(
        f"{name}: due days, falling due, completions and certificates by the services, in {found.acted_zones} zones: about "
        f"one clock change of each ({found.still_zones} have none), on 29 February and at ends of months and years",
        found.acted,
        f"{name} services in {found.acted_zones} zones",
    )
    yield figure(
        f"{name}: the years 0001 and 9999 are refused or can be read again",
        found.limits,
        f"{name} ends of the calendar",
    )


def figure(claim: str, tally: Tally, name: str) -> Figure:
    first = "".join(f"; {meaning}: {text}" for meaning, text in tally.first.items())
    counted = f"{listed(tally.cases)}: {tally.wrong.total()} mismatches{first}"
    return Figure(
        claim,
        counted,
        bool(tally.cases) and not tally.wrong,
        brief=f"{name} {tally.cases.total():,} cases, {tally.wrong.total()} mismatches",
    )


def control(claim: str, tally: Tally, meanings: int) -> Figure:
    """Caught in so many meanings at least."""
    counted = f"{listed(tally.wrong)} mismatches in {tally.cases.total():,} cases"
    return Figure(
        f"control: {claim}",
        counted,
        len(tally.wrong) >= meanings,
        brief=f"{claim}: {tally.wrong.total():,} mismatches",
    )


def listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
