"""Days that the database finds are those that we find, in every zone; and a statement is kept for few numbers of values."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest

from accounts.api.filters import padded
from accounts.days import day_of
from accounts.expressions import knows_zone
from accounts.models import Organization
from tests.conftest import Api
from tests.contracts.oracle import json_of
from tests.contracts.records import Record, write_records
from training.models import TrainSession

SUMMER, WINTER = datetime(2026, 7, 1, 21, 30, tzinfo=UTC), datetime(2026, 1, 1, 22, 30, tzinfo=UTC)
# CET and its like are abbreviations to PostgreSQL, which know no summer time.
ZONES = ("UTC", "Europe/Berlin", "CET", "EET", "MET", "WET", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ZONES)
def test_days_are_the_organizations_in_zones_that_the_database_sees_otherwise(
    zone: str, organization: Organization, api: Api
) -> None:
    Organization.objects.filter(pk=organization.pk).update(time_zone=zone)
    instants = [start + timedelta(hours=hours) for start in (SUMMER, WINTER) for hours in range(4)]
    ids = write_records([Record(organization)] * len(instants))
    for pk, instant in zip(ids, instants, strict=True):
        TrainSession.objects.filter(pk=pk).update(due_at=instant)
    shown = {row["id"]: row["complete_by"] for row in json_of(api.get("/api/train_sessions"))}
    own = zoneinfo.ZoneInfo(zone)
    assert shown == {pk: day_of(at, own).isoformat() for pk, at in zip(ids, instants, strict=True)}


@pytest.mark.django_db
@pytest.mark.postgresql
def test_the_database_is_asked_for_days_in_all_zones_but_those() -> None:
    unknown = [zone for zone in ("CET", "EET", "MET", "WET", "Mars/Olympus") if not knows_zone(zone)]
    assert unknown == ["CET", "EET", "MET", "WET", "Mars/Olympus"]
    assert all(knows_zone(zone) for zone in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))


@pytest.mark.parametrize(("given", "kept"), [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128), (100, 128)])
def test_numbers_of_values_are_powers_of_two(given: int, kept: int) -> None:
    values = list(range(given))
    assert padded(values) == [*values, *[given - 1] * (kept - given)]
