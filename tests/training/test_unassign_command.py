"""unassign and mark_overdue: every outcome, the exit status, and what is written."""

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import Busy
from accounts.models import Organization
from enrollments.services.enrolling import enroll
from tests.commands import Outcome, outcome
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UnitFactory
from training.management.commands import mark_overdue as command
from training.models import TrainSession
from training.services import bulk, records

ACTOR = Actor.system()
Run = Callable[..., Outcome]


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this organization."""

    def call(*, organization: str = organization.slug, reason: str = "moved on", **options: Any) -> Outcome:
        return outcome(capsys, "unassign", organization=organization, reason=reason, **options)

    return call


def assigned(organization: Organization, **course: Any) -> TrainSession:
    return records.assign(
        organization=organization,
        actor=ACTOR,
        course_id=CourseFactory.create(organization=organization, **course).pk,
        person_ids=[PersonFactory.create(organization=organization).pk],
    )[0].record


def completed(organization: Organization) -> TrainSession:
    record = assigned(organization)
    return records.complete(organization=organization, actor=ACTOR, record_id=record.pk)


def states() -> list[dict[str, Any]]:
    return [{**row} for row in TrainSession.objects.order_by("pk").values()]


def test_unassign_takes_back_all_of_a_list(organization: Organization, run: Run) -> None:
    first, second, kept = (assigned(organization) for _ in range(3))
    assert run(ids=f"{second.pk}, {first.pk},") == Outcome(0, "2 unassigned, 0 refused.\n", "")
    rows = TrainSession.objects.order_by("pk").values_list("pk", "unassigned_at", "unassign_reason")
    assert [(pk, at is not None, reason) for pk, at, reason in rows] == [
        (first.pk, True, "moved on"),
        (second.pk, True, "moved on"),
        (kept.pk, False, ""),
    ]


MIXED_REPORT = """\
row 3, {completed}: is completed; it stays as it is.
row 4, {foreign}: there is no such train session, or it is unassigned already.
row 5, {gone}: there is no such train session, or it is unassigned already.
row 7, abc: there is no such train session, or it is unassigned already.
row 8, (blank): there is no such train session, or it is unassigned already.
row 9, {huge}: there is no such train session, or it is unassigned already.
1 unassigned, 6 refused, 1 repeated.
"""


@pytest.mark.parametrize("dry_run", [False, True])
def test_unassign_reports_each_row_refused_and_does_the_rest(
    organization: Organization, run: Run, tmp_path: Path, *, dry_run: bool
) -> None:
    open_record, history, gone = assigned(organization), completed(organization), assigned(organization)
    foreign = assigned(OrganizationFactory.create())
    records.unassign(organization=organization, actor=ACTOR, ids=[gone.pk], reason="before")
    keys = {"completed": history.pk, "foreign": foreign.pk, "gone": gone.pk, "huge": "9" * 25}
    file = tmp_path / "records.csv"
    file.write_text(
        f'person,id\nAda,{open_record.pk}\nBob,{history.pk}\nCy,{foreign.pk}\n"Di", {gone.pk} \n'
        f"Ada,00{open_record.pk}\nEd,abc\nFlo\nGus,{keys['huge']}\n",
        encoding="utf-8-sig",
    )
    before = states()
    report = MIXED_REPORT.format(**keys) + ("Dry run: nothing was written.\n" if dry_run else "")
    assert run(file=file, dry_run=dry_run) == Outcome(2, report, "")
    after = states()
    changed = [new["id"] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ([] if dry_run else [open_record.pk])


def test_unassign_again_changes_nothing(organization: Organization, run: Run) -> None:
    record = assigned(organization)
    run(ids=str(record.pk))
    before = states()
    assert run(ids=str(record.pk), reason="again") == Outcome(
        1,
        f"row 1, {record.pk}: there is no such train session, or it is unassigned already.\n0 unassigned, 1 refused.\n",
        "Nothing was unassigned.",
    )
    assert states() == before


def test_unassign_leaves_the_seat(organization: Organization, run: Run) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    person = PersonFactory.create(organization=organization)
    (enrollment,) = enroll(
        organization=organization, actor=ACTOR, session_id=session.pk, person_ids=[person.pk]
    ).enrollments
    assert run(ids=str(TrainSession.objects.get().pk)).status == 0
    enrollment.refresh_from_db()
    assert (enrollment.status, enrollment.cancelled_at) == ("enrolled", None)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "reason: Say why."),
        ("  ", "reason: Say why."),
        ("x" * 501, "reason: Ensure this value has at most 500 characters (it has 501)."),
    ],
)
def test_unassign_needs_a_reason(organization: Organization, run: Run, reason: str, message: str) -> None:
    record = assigned(organization)
    before = states()
    assert run(ids=str(record.pk), reason=reason) == Outcome(1, "", message)
    assert states() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{file} is empty."),
        (b"id\n", "{file} has no rows."),
        (b"number\n1\n", "{file} needs one column id. Its header has: number."),
        (b"id\n1\x00\n", "{file} has a NUL character in row 2."),
        (b"id\n\xff\n", "{file} is not UTF-8. Save it as CSV UTF-8."),
    ],
)
def test_unassign_refuses_a_file_that_it_cannot_read_in_one_line(
    organization: Organization, run: Run, tmp_path: Path, *, content: bytes, message: str
) -> None:
    file = tmp_path / "records.csv"
    file.write_bytes(content)
    assert run(file=file) == Outcome(1, "", message.format(file=file))


def test_unassign_refuses_an_organization_that_is_not_there(organization: Organization, run: Run) -> None:
    assert run(organization="nobody", ids="1") == Outcome(1, "", "There is no organization 'nobody'.")


def test_unassign_goes_through_a_long_list_in_pieces(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one transaction: they bear one stamp."""
    monkeypatch.setattr(bulk, "BATCH", 2)
    made = [assigned(organization) for _ in range(5)]
    assert run(ids=",".join(str(record.pk) for record in made)) == Outcome(0, "5 unassigned, 0 refused.\n", "")
    assert TrainSession.objects.values("updated_at").distinct().count() == 1


def test_unassign_interrupted_leaves_nothing_and_says_so(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [assigned(organization) for _ in range(3)]
    monkeypatch.setattr(bulk, "BATCH", 1)
    real = records.what_is_not_open
    asked: list[list[int]] = []

    def interrupted(*, organization: Organization, ids: list[int]) -> Any:
        asked.append(ids)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(organization=organization, ids=ids)

    monkeypatch.setattr(bulk, "what_is_not_open", interrupted)
    before = states()
    assert run(ids=",".join(str(record.pk) for record in made)) == Outcome(1, "", "Interrupted. Nothing was done.")
    assert (states(), asked) == (before, [[made[0].pk], [made[1].pk]])


def due(organization: Organization, days: int) -> TrainSession:
    record = assigned(organization)
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
        before = states()
        call_command("mark_overdue")
    assert (capsys.readouterr().out, states()) == ("0 train sessions fell due.\n", before)
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


def test_unassign_gives_the_unit_back(organization: Organization, run: Run) -> None:
    course = CourseFactory.create(organization=organization, uses_units=True)
    unit = UnitFactory.create(organization=organization, course=course)
    person = PersonFactory.create(organization=organization)
    record = records.assign(organization=organization, actor=ACTOR, course_id=course.pk, person_ids=[person.pk])[
        0
    ].record
    assert run(ids=str(record.pk)).status == 0
    record.refresh_from_db()
    unit.refresh_from_db()
    assert (record.unit, hasattr(unit, "train_session")) == (None, False)
