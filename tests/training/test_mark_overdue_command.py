"""mark_overdue: which records fall due, and in which organizations."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import Busy
from accounts.models import Organization
from tests.acts import owed
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory
from tests.training.operations import records as written
from training.management.commands import mark_overdue as command
from training.models import TrainSession
from training.services import records

ACTOR = Actor.system()


def due(organization: Organization, days: int) -> TrainSession:
    record = owed(CourseFactory.create(organization=organization), PersonFactory.create(organization=organization))
    at = timezone.now() + timedelta(days=days)
    return records.change_due(organization=organization, actor=ACTOR, record_ids=[record.pk], due_at=at)[0]


def overdue() -> set[int]:
    return set(TrainSession.objects.filter(overdue=True).values_list("pk", flat=True))


def test_mark_overdue_records_what_fell_due_in_all_organizations(
    organization: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there, later = due(organization, 1), due(OrganizationFactory.create(), 1), due(organization, 3)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        call_command("mark_overdue")
        assert (capsys.readouterr().out, overdue()) == ("2 train sessions fell due.\n", {here.pk, there.pk})
        before = written()
        call_command("mark_overdue")
    assert (capsys.readouterr().out, written()) == ("0 train sessions fell due.\n", before)
    assert later.pk not in overdue()


def test_mark_overdue_of_one_organization_leaves_the_others(
    organization: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    here, _there = due(organization, 1), due(OrganizationFactory.create(), 1)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        call_command("mark_overdue", organization=organization.slug)
    assert (capsys.readouterr().out, overdue()) == ("1 train session fell due.\n", {here.pk})


def test_mark_overdue_goes_on_past_a_busy_organization(
    organization: Organization, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = due(organization, 1), due(OrganizationFactory.create(), 1)
    real = records.mark_overdue

    def mark_overdue(*, organization: Organization, actor: Actor) -> int:
        if organization == here.organization:
            raise Busy
        return real(organization=organization, actor=actor)

    monkeypatch.setattr(command, "mark_overdue", mark_overdue)
    with time_machine.travel(timezone.now() + timedelta(days=2)), pytest.raises(CommandError) as error:
        call_command("mark_overdue")
    assert (str(error.value), error.value.returncode) == (f"{organization.slug}: The ledger is busy. Try again.", 1)
    assert (capsys.readouterr().out, overdue()) == ("1 train session fell due.\n", {there.pk})


def test_mark_overdue_refuses_an_organization_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match=r"\AThere is no organization 'nobody'\.\Z"):
        call_command("mark_overdue", organization="nobody")
