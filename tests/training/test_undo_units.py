"""undo and units: a record gets its own unit again, or another one, or is refused."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine

from accounts.actors import Actor
from accounts.models import Organization
from enrollments.services.catalogue import update_course
from tests.acts import owed
from tests.commands import Outcome, outcome
from tests.snapshots import NOW
from tests.training import operations as written
from tests.training.operations import Run, Take, of_units, restored_all, restored_none, someone, unit_of
from training.models import Unit
from training.services import records, undoing

ACTOR = Actor.system()

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(operation: int | str, **options: Any) -> Outcome:
        return outcome(capsys, "undo", str(operation), **options)

    return call


def test_undo_takes_the_very_unit_again_though_another_expires_first(
    organization: Organization, run: Run, take: Take
) -> None:
    paid = of_units(organization)
    unit = unit_of(paid, expires_on=date(2027, 6, 1))
    record = owed(paid, someone(paid))
    operation = take(record)
    unit_of(paid, expires_on=date(2027, 5, 1))
    assert run(operation) == restored_all()
    assert written.records()[record.pk]["unit_id"] == unit.pk


def lost_to_somebody(unit: Unit, _clock: time_machine.Traveller) -> None:
    owed(unit.course, someone(unit.course))


def lost_by_expiry(_unit: Unit, clock: time_machine.Traveller) -> None:
    clock.move_to(NOW + timedelta(days=32))


def lost_to_another_course(unit: Unit, _clock: time_machine.Traveller) -> None:
    changes = {"course": of_units(unit.organization, "OTHER")}
    records.update_unit(organization=unit.organization, actor=ACTOR, unit=unit, changes=changes)


LOST = [lost_to_somebody, lost_by_expiry, lost_to_another_course]


@pytest.mark.parametrize("lose", LOST)
def test_undo_takes_another_unit_where_the_very_one_is_lost(
    organization: Organization,
    run: Run,
    take: Take,
    clock: time_machine.Traveller,
    lose: Callable[[Unit, time_machine.Traveller], None],
) -> None:
    """The one that expires first, among those that no record of the same unassign had."""
    paid = of_units(organization)
    unit = unit_of(paid, expires_on=date(2027, 4, 1))
    record = owed(paid, someone(paid))
    operation = take(record)
    lose(unit, clock)
    spare = [unit_of(paid, expires_on=date(2027, month, 1)) for month in (8, 7, 9)][1]
    assert run(operation) == restored_all()
    assert written.records()[record.pk]["unit_id"] == spare.pk
    assert written.lines(written.last_operation()) == [
        (
            1,
            str(record.pk),
            "restored",
            f"Unit {unit.pk} is not free any more; it holds unit {spare.pk} now.",
            record.pk,
            None,
        )
    ]


@pytest.mark.parametrize("lose", LOST)
def test_undo_refuses_a_record_for_which_no_unit_is_free(
    organization: Organization,
    run: Run,
    take: Take,
    clock: time_machine.Traveller,
    lose: Callable[[Unit, time_machine.Traveller], None],
) -> None:
    paid = of_units(organization)
    unit = unit_of(paid, expires_on=date(2027, 4, 1))
    record = owed(paid, someone(paid))
    operation = take(record)
    lose(unit, clock)
    before = written.records()
    assert run(operation) == restored_none(record, "There is no free unit of PAID.")
    assert written.records() == before


def test_undo_restores_without_a_unit_where_the_course_uses_none_any_more(
    organization: Organization, run: Run, take: Take
) -> None:
    paid = of_units(organization)
    unit = unit_of(paid)
    record = owed(paid, someone(paid))
    operation = take(record)
    owed(paid, someone(paid))
    update_course(organization=organization, actor=ACTOR, course=paid, changes={"uses_units": False})
    assert run(operation) == restored_all()
    reason = f"Unit {unit.pk} is not free any more; the course uses none now."
    assert written.lines(written.last_operation()) == [(1, str(record.pk), "restored", reason, record.pk, None)]
    assert written.records()[record.pk]["unit_id"] is None


@pytest.mark.parametrize("batch", [1, 2, 2000])
@pytest.mark.parametrize("more", [0, 1])
def test_undo_gives_nobody_the_unit_that_another_of_its_records_had(
    organization: Organization, run: Run, take: Take, monkeypatch: pytest.MonkeyPatch, *, batch: int, more: int
) -> None:
    """Of three records the first has lost its unit. Where a fourth unit is free, the others get their own."""
    monkeypatch.setattr(undoing, "BATCH", batch)
    paid = of_units(organization)
    units = [unit_of(paid, expires_on=date(2027, month, 1)) for month in (6, 7, 8)]
    made = [owed(paid, someone(paid)) for _ in units]
    operation = take(*made)
    owed(paid, someone(paid))
    spare = [unit_of(paid, expires_on=date(2028, 1, 1)) for _ in range(more)]
    result = run(operation)
    after = written.records()
    held = [after[one.pk]["unit_id"] for one in made]
    if more:
        assert (result, held) == (restored_all(3), [spare[0].pk, units[1].pk, units[2].pk])
    else:
        # One has to go without: whoever comes last of those that are judged together.
        assert result.status == 2
        assert sorted(unit for unit in held if unit) == [units[1].pk, units[2].pk]


def test_undo_leaves_a_unit_to_the_course_that_it_is_of(organization: Organization, run: Run, take: Take) -> None:
    first, second = of_units(organization, "ONE"), of_units(organization, "TWO")
    units = [unit_of(first), unit_of(second)]
    made = [owed(one, someone(one)) for one in (first, second)]
    operation = take(*made)
    owed(first, someone(first))
    assert run(operation).out.startswith(f"line 1, {made[0].pk}: There is no free unit of ONE.\n1 restored, 1 refused.")
    assert written.records()[made[1].pk]["unit_id"] == units[1].pk
