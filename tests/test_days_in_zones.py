"""Days are the organization's, in every zone and about every change of its clock; certificates run by the calendar.

The short form of `python -m tests.proof --only time`, by the same code.
"""

import zoneinfo
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from accounts.expressions import knows_zone
from tests.proof import time_acts, time_limits, time_listed
from tests.proof.time_databases import REMARKABLE, STILL
from tests.proof.time_oracle import CALENDAR_DAYS, SOME_DAYS, calendar_clock, clock, instant
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

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
ZONES = sorted(zoneinfo.available_timezones())
MEANINGS = {
    "certificate's last day",
    "day filter's bounds",
    "day of an instant",
    "due day in, due day out",
    "due day's last instant",
    "what a day filter keeps",
}


def tallied(zone: str, meanings: Meanings = PRODUCT) -> Tally:
    tally = Tally()
    for change in clock(zone).changes:
        about(clock(zone), change, meanings, tally)
    return tally


@EXAMPLES
@given(st.sampled_from(ZONES), st.data())
def test_days_about_a_clock_change_are_those_of_the_zone(zone: str, data: st.DataObject) -> None:
    changes = clock(zone).changes
    if not changes:
        return
    tally = Tally()
    about(clock(zone), data.draw(st.sampled_from(changes)), PRODUCT, tally)
    assert tally.first == {}
    assert set(tally.cases) == MEANINGS


@pytest.mark.parametrize("zone", REMARKABLE)
def test_days_about_every_clock_change_of_a_remarkable_zone(zone: str) -> None:
    assert tallied(zone).first == {}


@EXAMPLES
@given(st.sampled_from(ZONES), st.sampled_from(CALENDAR_DAYS))
def test_29_february_and_the_ends_of_months_and_years_are_days_of_the_zone(zone: str, number: int) -> None:
    tally = Tally()
    on_day(calendar_clock(clock(zone), number), number, PRODUCT, tally)
    assert tally.first == {}
    assert set(tally.cases) == MEANINGS


@pytest.mark.parametrize("zone", [*REMARKABLE, *STILL])
def test_29_february_and_the_ends_of_all_months_where_clocks_are_remarkable_or_never_changed(zone: str) -> None:
    tally = Tally()
    for number in CALENDAR_DAYS:
        on_day(calendar_clock(clock(zone), number), number, PRODUCT, tally)
    assert tally.first == {}
    assert tally.cases["what a day filter keeps"] == len(CALENDAR_DAYS)


def test_the_days_asked_for_are_29_february_and_the_ends_of_months_and_years() -> None:
    asked = {(date(1970, 1, 1) + timedelta(days=number)).isoformat() for number in SOME_DAYS}
    assert asked == {
        "2024-02-29",
        "2027-04-30",
        "2027-12-31",
        "2028-01-01",
        "2028-02-29",
        "2100-02-28",
        "2100-03-01",
    }
    assert set(SOME_DAYS) <= set(CALENDAR_DAYS)
    assert not any(clock(zone).changes for zone in STILL)


@EXAMPLES
@given(st.sampled_from(ZONES), st.integers(clock("UTC").starts[0], clock("UTC").first(24_000)))
def test_an_instant_falls_on_the_day_that_the_clock_shows(zone: str, moment: int) -> None:
    found = PRODUCT.day_of(instant(moment), clock(zone).zone)
    assert (found - date(1970, 1, 1)).days == clock(zone).day_of(moment)


def test_control_days_of_utc_are_caught() -> None:
    """What goes in by a wrong day comes out by it again: that alone is no proof of anything."""
    wrong = Counter[str]()
    for zone in ("Pacific/Apia", "America/Sao_Paulo"):
        wrong += tallied(zone, UTC_DAYS).wrong
    assert set(wrong) == MEANINGS - {"due day in, due day out"}


def test_control_days_of_utc_are_caught_where_clocks_are_never_changed() -> None:
    tally = Tally()
    for number in SOME_DAYS:
        on_day(clock("Etc/GMT+12"), number, UTC_DAYS, tally)
    assert set(tally.wrong) == MEANINGS - {"due day in, due day out"}


def test_control_months_of_30_days_are_caught() -> None:
    tally = Tally()
    about(clock("Europe/Berlin"), clock("Europe/Berlin").changes[-1], MONTHS_OF_30_DAYS, tally)
    assert set(tally.wrong) == {"certificate's last day"}


@EXAMPLES
@given(st.dates(date(1970, 1, 1), date(2200, 12, 31)))
def test_a_certificate_ends_by_the_calendar(completed: date) -> None:
    tally = Tally()
    certificates([completed], PRODUCT, tally)
    assert tally.first == {}
    assert tally.cases.total() == 60


@pytest.mark.parametrize(
    ("completed", "months", "last_day"),
    [
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 28)),
        (date(2027, 2, 28), 12, date(2028, 2, 27)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 12, 31), 12, date(2027, 12, 30)),
        (date(2027, 1, 1), 12, date(2027, 12, 31)),
        (date(2096, 2, 29), 48, date(2100, 2, 28)),
    ],
)
def test_certificates_of_leap_days_ends_of_months_and_of_years(completed: date, months: int, last_day: date) -> None:
    tally = Tally()
    certificates([completed], PRODUCT, tally)
    assert (PRODUCT.certificate_last_day(completed, months), tally.first) == (last_day, {})


@pytest.mark.django_db
@pytest.mark.parametrize("zone", REMARKABLE)
def test_lists_and_filters_of_the_families_mean_the_organizations_days(zone: str) -> None:
    tally = Tally()
    time_listed.check([clock(zone)], tally, changes=6, each=1, others=0)
    assert tally.first == {}
    assert tally.cases["day shown in a list"] > 0


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["America/Sao_Paulo", *STILL[:2]])
def test_lists_and_filters_of_29_february_and_of_the_ends_of_months_mean_the_organizations_days(zone: str) -> None:
    tally = Tally()
    time_listed.check_calendar([clock(zone)], tally, others=2)
    assert tally.first == {}
    assert tally.cases["filter date_from and date_to"] >= len(SOME_DAYS)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", STILL[:2])
def test_due_days_and_certificates_on_29_february_and_at_ends_of_months(zone: str) -> None:
    tally = Tally()
    time_acts.check(clock(zone), tally, [], SOME_DAYS[-3:])
    assert tally.first == {}
    assert tally.cases["due day through the API"] == 3


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Apia", "Africa/Cairo"])
def test_due_days_and_certificates_end_with_the_organizations_day(zone: str) -> None:
    tally = Tally()
    time_acts.check(clock(zone), tally, [clock(zone).changes[20 % len(clock(zone).changes)]])
    assert tally.first == {}
    assert tally.cases.total() > 10


@pytest.mark.django_db
@pytest.mark.parametrize("zone", time_limits.ZONES[1:3])
def test_what_has_no_day_in_the_calendar_is_refused(zone: str) -> None:
    tally = Tally()
    time_limits.check(zone, tally)
    assert tally.first == {}


@pytest.mark.django_db
@pytest.mark.postgresql
def test_the_database_is_asked_for_no_days_where_clocks_went_back_over_midnight() -> None:
    """Nor where its data is of another year than ours: it may agree at every noon, and not about a change."""
    assert {zone: knows_zone(zone) for zone in ("America/St_Johns", "Antarctica/Casey", "America/Havana")} == {
        "America/St_Johns": False,
        "Antarctica/Casey": False,
        "America/Havana": True,
    }
