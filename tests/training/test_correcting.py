"""Correcting what completed records say: with a reason, kept with what they said before."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import BulkOperation, HistoryEntry, Organization
from tests.conftest import Api
from tests.factories import SYSTEM, OrganizationFactory
from tests.training.feed import STREAM
from tests.training.operations import assigned, lines, operations, records
from training.models import TrainSession
from training.services.correcting import correct
from training.services.records import complete

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def completed(organization: Organization, **course: Any) -> TrainSession:
    record = assigned(organization, **course)
    return complete(organization=organization, actor=SYSTEM, record_id=record.pk, score=Decimal(80))


def run(organization: Organization, *ids: int, reason: str = "Typed wrongly", **values: Any) -> Any:
    return correct(organization=organization, actor=Actor("user-7"), record_ids=ids, reason=reason, **values)


def test_what_is_given_is_corrected_and_all_else_stays(
    organization: Organization, clock: time_machine.Traveller
) -> None:
    clock.move_to(NOW)
    record = completed(organization, certificate_months=12)
    before = records()[record.pk]
    clock.shift(timedelta(days=1))
    done = run(organization, record.pk, score=Decimal("91.5"), cert_expiry=None, time_spent=Decimal(2))
    after = records()
    # On PostgreSQL the server's clock stamps it, which stands still for nobody.
    assert after[record.pk]["updated_at"] > before["updated_at"]
    assert after == {
        record.pk: {
            **before,
            "score": Decimal("91.5"),
            "cert_expiry": None,
            "time_spent": Decimal(2),
            "updated_at": after[record.pk]["updated_at"],
            "updated_by": "user-7",
        }
    }
    assert operations() == [
        {
            "organization_id": organization.pk,
            "kind": "correct",
            "reason": "Typed wrongly",
            "details": {"score": "91.5", "cert_expiry": None, "time_spent": "2"},
            "undoes_id": None,
            "counts": {"updated": 1},
            "created_by": "user-7",
            "created_at": NOW + timedelta(days=1),
            "finished_at": NOW + timedelta(days=1),
        }
    ]
    said = {"score": "80", "cert_expiry": "2027-02-28", "time_spent": "0"}
    assert lines(done.operation_id) == [(1, str(record.pk), "updated", "", record.pk, said)]


def test_what_is_not_completed_or_says_that_already_is_left_alone(organization: Organization) -> None:
    same, other, still_open = completed(organization), completed(organization), assigned(organization)
    run(organization, same.pk, score=Decimal(90))
    foreign = completed(OrganizationFactory.create())
    before = records()
    done = run(organization, same.pk, still_open.pk, foreign.pk, other.pk, other.pk, score=Decimal(90))
    refused = "Is not completed; only completed records are corrected."
    assert lines(done.operation_id) == [
        (1, str(same.pk), "unchanged", "Says that already.", None, None),
        (2, str(still_open.pk), "refused", refused, None, None),
        (3, str(foreign.pk), "refused", refused, None, None),
        (4, str(other.pk), "updated", "", other.pk, {"score": "80"}),
    ]
    assert {pk for pk, row in records().items() if row != before[pk]} == {other.pk}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"score": Decimal(1), "reason": " "}, {"reason": ["Say why."]}),
        ({"score": Decimal(101)}, {"score": ["Ensure this value is less than or equal to 100."]}),
        ({"time_spent": Decimal(-1)}, {"time_spent": ["Ensure this value is greater than or equal to 0."]}),
        ({}, {"__all__": ["Give what is to be corrected."]}),
    ],
)
def test_what_no_record_may_say_is_refused_whole(
    organization: Organization, values: dict[str, Any], said: dict[str, list[str]]
) -> None:
    rows = [completed(organization), completed(organization)]
    before = records()
    with pytest.raises(FieldsRefused) as refusal:
        run(organization, *(row.pk for row in rows), **values)
    assert (refusal.value.fields, records(), BulkOperation.objects.count()) == (said, before, 0)


def test_a_certificate_does_not_end_before_the_completion(
    organization: Organization, clock: time_machine.Traveller
) -> None:
    clock.move_to(NOW)
    record = completed(organization)
    with pytest.raises(FieldsRefused) as refusal:
        run(organization, record.pk, cert_expiry=date(2026, 2, 28))
    assert refusal.value.fields == {
        "cert_expiry": [f"Train session {record.pk} was completed on 2026-03-01. Give that day, or a later one."]
    }
    run(organization, record.pk, cert_expiry=date(2026, 3, 1))
    assert records()[record.pk]["cert_expiry"] == date(2026, 3, 1)


def test_a_correction_is_in_the_feed_and_in_the_history(organization: Organization, api: Api) -> None:
    record = completed(organization)
    seen = api.get(f"{STREAM}?startTime=2000-01-01T00:00:00Z").json()
    cursor = seen["pagination"]["endCursor"]
    assert api.get(f"{STREAM}?after={cursor}").json()["data"] == []
    run(organization, record.pk, score=Decimal(91), time_spent=Decimal(2))
    [change] = api.get(f"{STREAM}?after={cursor}").json()["data"]
    assert (change["status"], change["durationMinutes"]) == ("completed", 120)
    entry = HistoryEntry.objects.filter(model="training.TrainSession", row_id=record.pk).latest("pk")
    assert (entry.act, entry.actor, [float(value) for value in entry.changes["score"]]) == (
        "changed",
        "user-7",
        [80, 91],
    )
