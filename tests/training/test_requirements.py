"""What requirements hold to, when what they ask for is due, and opening what is missing."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import BulkOperation, BulkRow, Group, GroupMember, Organization, Person
from accounts.services.people import update_person
from enrollments.models import Course
from enrollments.services.catalogue import update_course
from tests.acts import assign, complete
from tests.commands import Outcome, outcome
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, UnitFactory, UserFactory
from training.errors import CourseNotAssignable
from training.models import Requirement, RequirementPerson, TrainSession
from training.required import active_requirements, due_day, missing
from training.services import requirements
from training.services.requirements import apply_requirements

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def require(course: Course, **fields: Any) -> Requirement:
    given = {"audience": "all", "due_rule": "days_after_joining", "due_days": 30, **fields}
    if given["due_rule"] == "on_date":
        given["due_days"] = None
    return requirements.create_requirement(organization=course.organization, actor=SYSTEM, course=course, **given)


def group_of(organization: Organization, *people: Person, name: str = "Site") -> Group:
    group = Group.objects.create(organization=organization, name=name)
    for person in people:
        GroupMember.objects.create(organization=organization, group=group, person=person)
    return group


def asked(organization: Organization, today: date = TODAY) -> list[tuple[str, str, date]]:
    return [
        (one.employee_id, lack.course.code, one.due_on)
        for lack in missing(organization, today=today)
        for one in lack.people
    ]


def opened() -> list[tuple[str, str, datetime | None, str]]:
    rows = TrainSession.objects.order_by("course__code", "person__employee_id")
    return list(rows.values_list("person__employee_id", "course__code", "due_at", "origin"))


# The shape.

BAD = {
    "group_without_group": {"audience": "group"},
    "all_with_group": {"audience": "all", "with_group": True},
    "days_without_days": {"due_days": None},
    "days_with_date": {"due_on": TODAY},
    "date_without_date": {"due_rule": "on_date", "due_days": None},
    "date_with_days": {"due_rule": "on_date", "due_on": TODAY},
    "too_many_days": {"due_days": 3651},
    "unknown_audience": {"audience": "some"},
    "unknown_rule": {"due_rule": "soon"},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=list(BAD))
def test_a_requirement_of_no_shape_is_refused_by_service_and_database(
    organization: Organization, fields: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"audience": "all", "due_rule": "days_after_joining", "due_days": 30, **fields}
    if given.pop("with_group", False):
        given["group"] = group_of(organization)
    course = CourseFactory.create(organization=organization)
    with pytest.raises(FieldsRefused):
        requirements.create_requirement(organization=organization, actor=SYSTEM, course=course, **given)
    with pytest.raises(IntegrityError), transaction.atomic():
        Requirement.objects.create(organization=organization, course=course, **given)
    assert Requirement.objects.count() == 0


def test_refusals_stand_at_their_fields(organization: Organization) -> None:
    course, foreign = CourseFactory.create(organization=organization), OrganizationFactory.create()
    stranger = PersonFactory.create(organization=foreign)
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"audience": "group"}, {"group"}),
        ({"due_days": None}, {"due_rule"}),
        ({"due_days": 3651}, {"due_days"}),
        ({"audience": "people"}, {"people"}),
        ({"people": [PersonFactory.create(organization=organization)]}, {"people"}),
        ({"audience": "people", "people": [stranger]}, {"people"}),
        ({"audience": "group", "group": group_of(foreign)}, {"group"}),
    ]
    for fields, names in cases:
        with pytest.raises(FieldsRefused) as refused:
            require(course, **fields)
        assert names == set(refused.value.fields), fields
    with pytest.raises(FieldsRefused) as refused:
        requirements.create_requirement(
            organization=organization,
            actor=SYSTEM,
            course=CourseFactory.create(organization=foreign),
            due_days=30,
        )
    assert set(refused.value.fields) == {"course"}
    assert (Requirement.objects.count(), RequirementPerson.objects.count()) == (0, 0)


def test_an_archived_course_is_not_required_anew(organization: Organization) -> None:
    with pytest.raises(CourseNotAssignable):
        require(CourseFactory.create(organization=organization, status="archived"))
    assert Requirement.objects.count() == 0


def test_changing_audience_and_rule_leaves_nothing_of_the_old_ones(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    requirement = require(CourseFactory.create(organization=organization), audience="people", people=[person])

    def change(**changes: Any) -> tuple[Any, ...]:
        people = changes.pop("people", None)
        row = requirements.update_requirement(
            organization=organization, actor=SYSTEM, requirement=requirement, changes=changes, people=people
        )
        named = list(RequirementPerson.objects.values_list("person_id", flat=True))
        return row.audience, row.group, named, row.due_rule, row.due_days, row.due_on

    group = group_of(organization)
    rule = ("days_after_joining", 30, None)
    assert change(audience="group", group=group) == ("group", group, [], *rule)
    assert change(audience="people", people=[person]) == ("people", None, [person.pk], *rule)
    with pytest.raises(FieldsRefused):
        change(people=[])
    assert change(audience="all") == ("all", None, [], *rule)
    assert change(due_rule="on_date", due_on=TODAY) == ("all", None, [], "on_date", None, TODAY)
    assert change(due_rule="days_after_joining", due_days=0) == ("all", None, [], "days_after_joining", 0, None)


def test_a_requirement_of_another_organization_is_not_changed(organization: Organization) -> None:
    requirement = require(CourseFactory.create(organization=organization))
    with pytest.raises(Requirement.DoesNotExist):
        requirements.update_requirement(
            organization=OrganizationFactory.create(),
            actor=SYSTEM,
            requirement=requirement,
            changes={"active": False},
        )


# When it is due.


@pytest.mark.parametrize(
    ("rule", "joined", "today", "due"),
    [
        ({"due_days": 30}, date(2028, 1, 30), date(2028, 2, 1), date(2028, 2, 29)),
        ({"due_days": 31}, date(2028, 1, 30), date(2028, 2, 1), date(2028, 3, 1)),
        ({"due_days": 366}, date(2028, 2, 29), date(2028, 3, 1), date(2029, 3, 1)),
        ({"due_days": 0}, date(2028, 2, 29), date(2028, 2, 29), date(2028, 2, 29)),
        # The rule's day is today: it holds. A day later the days count anew.
        ({"due_days": 30}, date(2026, 4, 4), date(2026, 5, 4), date(2026, 5, 4)),
        ({"due_days": 30}, date(2026, 4, 3), date(2026, 5, 4), date(2026, 6, 3)),
        ({"due_days": 0}, date(2020, 1, 1), date(2026, 5, 4), date(2026, 5, 4)),
        ({"due_on": date(2028, 2, 29)}, date(2020, 1, 1), date(2026, 5, 4), date(2028, 2, 29)),
        ({"due_on": date(2026, 5, 4)}, date(2020, 1, 1), date(2026, 5, 4), date(2026, 5, 4)),
        ({"due_on": date(2026, 5, 3)}, date(2020, 1, 1), date(2026, 5, 4), date(2026, 5, 4)),
    ],
)
def test_a_due_day_is_the_rules_own_unless_it_has_passed(
    rule: dict[str, Any], joined: date, today: date, due: date
) -> None:
    name = "on_date" if "due_on" in rule else "days_after_joining"
    assert due_day([Requirement(due_rule=name, **rule)], joined=joined, today=today) == due


def test_of_several_requirements_the_earliest_day_counts(organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, code="C")
    everybody, member, named = (PersonFactory.create(organization=organization, employee_id=f"E{n}") for n in range(3))
    require(course, due_days=30)
    require(course, audience="group", group=group_of(organization, member, named), due_days=20)
    require(course, audience="people", people=[named], due_rule="on_date", due_on=TODAY + timedelta(days=10))
    require(course, audience="people", people=[everybody], due_days=5, active=False)
    days = [TODAY + timedelta(days=days) for days in (30, 20, 10)]
    assert asked(organization) == [("E0", "C", days[0]), ("E1", "C", days[1]), ("E2", "C", days[2])]
    apply_requirements(organization=organization, actor=SYSTEM)
    assert TrainSession.objects.count() == 3


@pytest.mark.parametrize(
    ("zone", "due"),
    [
        # Entered at 10:00 UTC of 4 May, which is 5 May in Kiritimati; one day later, to its end there.
        ("Pacific/Kiritimati", datetime(2026, 5, 6, 9, 59, 59, 999999, tzinfo=UTC)),
        ("UTC", datetime(2026, 5, 5, 23, 59, 59, 999999, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 5, 6, 6, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_days_are_those_of_the_organizations_time_zone(db: None, zone: str, due: datetime) -> None:
    organization = OrganizationFactory.create(time_zone=zone)
    PersonFactory.create(organization=organization, employee_id="E")
    require(CourseFactory.create(organization=organization, code="C"), due_days=1)
    apply_requirements(organization=organization, actor=SYSTEM)
    assert opened() == [("E", "C", due, "requirement")]
    assert TrainSession.objects.filter(overdue=True).count() == 0


# Who lacks it.


def test_what_is_open_or_valid_is_not_missing_and_what_has_expired_is(organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, code="C", certificate_months=12)
    people = {
        name: PersonFactory.create(organization=organization, employee_id=name)
        for name in ("expired", "inactive", "last-day", "never", "open", "taken-back", "valid")
    }
    update_person(organization=organization, actor=SYSTEM, person=people["inactive"], changes={"active": False})
    for name, on in (("expired", date(2025, 5, 4)), ("last-day", date(2025, 5, 5)), ("valid", TODAY)):
        complete(assign(course, people[name])[0].record, on=on)
    assign(course, people["open"])
    taken = assign(course, people["taken-back"])[0].record
    TrainSession.objects.filter(pk=taken.pk).update(unassigned_at=NOW)
    require(course)
    due = TODAY + timedelta(days=30)
    assert asked(organization) == [(name, "C", due) for name in ("expired", "never", "taken-back")]


def test_only_the_own_organization_is_asked(organization: Organization) -> None:
    other = OrganizationFactory.create()
    PersonFactory.create(organization=other)
    require(CourseFactory.create(organization=other))
    assert (asked(organization), len(asked(other))) == ([], 1)
    assert active_requirements(organization) == []
    apply_requirements(organization=organization, actor=SYSTEM)
    assert TrainSession.objects.count() == 0


# Opening it.


def mixed(organization: Organization) -> None:
    """A course to open, one that is archived, one without enough units, and one with just enough."""
    for number in range(2):
        PersonFactory.create(organization=organization, employee_id=f"E{number}")
    made = {
        code: CourseFactory.create(organization=organization, code=code, uses_units="UNITS" in code)
        for code in ("ARCHIVED", "OPEN", "UNITS-ENOUGH", "UNITS-SHORT")
    }
    for _ in range(2):
        UnitFactory.create(course=made["UNITS-ENOUGH"])
    UnitFactory.create(course=made["UNITS-SHORT"])
    for course in made.values():
        require(course)
    update_course(organization=organization, actor=SYSTEM, course=made["ARCHIVED"], changes={"status": "archived"})


ARCHIVED = "Course ARCHIVED is archived; it cannot be assigned."
SHORT = "Not enough units of UNITS-SHORT: 2 needed, 1 free."


def test_a_preview_is_what_then_happens(organization: Organization) -> None:
    mixed(organization)
    preview = [
        (one.employee_id, lack.course.code, one.due_on)
        for lack in missing(organization, today=TODAY)
        if lack.refusal is None
        for one in lack.people
    ]
    done = apply_requirements(organization=organization, actor=SYSTEM)
    assert [(who, code, at.date()) for who, code, at, _ in opened() if at] == preview
    assert [(who, code) for who, code, _ in preview] == [
        ("E0", "OPEN"),
        ("E1", "OPEN"),
        ("E0", "UNITS-ENOUGH"),
        ("E1", "UNITS-ENOUGH"),
    ]
    operation = BulkOperation.objects.get()
    assert (done.operation_id, operation.kind) == (operation.pk, "apply_requirements")
    assert done.counts == operation.counts == {"refused": 4, "assigned": 4}
    rows = BulkRow.objects.order_by("line").values_list("line", "key", "outcome", "reason")
    assert list(rows) == [
        (1, "E0 ARCHIVED", "refused", ARCHIVED),
        (2, "E1 ARCHIVED", "refused", ARCHIVED),
        (3, "E0 OPEN", "assigned", ""),
        (4, "E1 OPEN", "assigned", ""),
        (5, "E0 UNITS-ENOUGH", "assigned", ""),
        (6, "E1 UNITS-ENOUGH", "assigned", ""),
        (7, "E0 UNITS-SHORT", "refused", SHORT),
        (8, "E1 UNITS-SHORT", "refused", SHORT),
    ]
    targets = BulkRow.objects.exclude(target_id=None).order_by("line").values_list("target_id", flat=True)
    ids = TrainSession.objects.order_by("course__code", "person__employee_id").values_list("pk", flat=True)
    assert list(targets) == list(ids)
    assert TrainSession.objects.exclude(unit=None).count() == 2


def test_a_second_time_opens_nothing(organization: Organization) -> None:
    PersonFactory.create(organization=organization)
    require(CourseFactory.create(organization=organization))
    first = apply_requirements(organization=organization, actor=SYSTEM)
    before = opened()
    second = apply_requirements(organization=organization, actor=SYSTEM)
    assert (dict(first.counts), dict(second.counts), second.operation_id) == ({"assigned": 1}, {}, None)
    assert (opened(), BulkOperation.objects.count()) == (before, 1)


def test_it_goes_through_many_people_in_pieces(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "BATCH", 2)
    for _ in range(5):
        PersonFactory.create(organization=organization)
    require(CourseFactory.create(organization=organization))
    told: list[int] = []
    apply_requirements(organization=organization, actor=SYSTEM, tell=lambda rows: told.append(len(rows)))
    assert (told, TrainSession.objects.count()) == ([2, 2, 1], 5)
    assert list(BulkRow.objects.order_by("pk").values_list("line", flat=True)) == [1, 2, 3, 4, 5]


def test_what_changed_since_it_was_found_out_is_passed_over(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [PersonFactory.create(organization=organization, employee_id=f"E{number}") for number in range(3)]
    course = CourseFactory.create(organization=organization, code="C")
    require(course)
    found = list(missing(organization, today=TODAY))
    assign(course, people[0])
    update_person(organization=organization, actor=SYSTEM, person=people[1], changes={"active": False})
    monkeypatch.setattr(requirements, "missing", lambda *_args, **_options: iter(found))
    apply_requirements(organization=organization, actor=SYSTEM)
    reason = "Is not missing any more."
    assert list(BulkRow.objects.order_by("line").values_list("key", "outcome", "reason")) == [
        ("E0 C", "unchanged", reason),
        ("E1 C", "unchanged", reason),
        ("E2 C", "assigned", ""),
    ]
    assert [(who, origin) for who, _, _, origin in opened()] == [("E0", "hand"), ("E2", "requirement")]


def test_units_that_were_taken_since_are_said_to_be_short(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    PersonFactory.create(organization=organization, employee_id="E0")
    course = CourseFactory.create(organization=organization, code="C", uses_units=True)
    unit = UnitFactory.create(course=course)
    require(course)
    found = list(missing(organization, today=TODAY))
    unit.delete()
    monkeypatch.setattr(requirements, "missing", lambda *_args, **_options: iter(found))
    done = apply_requirements(organization=organization, actor=SYSTEM)
    assert (dict(done.counts), TrainSession.objects.count()) == ({"refused": 1}, 0)
    assert BulkRow.objects.get().reason == "Not enough units of C: 1 needed, 0 free."


def test_interrupted_it_leaves_what_was_told_of(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "BATCH", 2)
    for _ in range(5):
        PersonFactory.create(organization=organization)
    require(CourseFactory.create(organization=organization))

    def stop(_rows: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_requirements(organization=organization, actor=SYSTEM, tell=stop)
    operation = BulkOperation.objects.get()
    assert (TrainSession.objects.count(), operation.counts, operation.finished_at) == (2, {"assigned": 2}, None)
    apply_requirements(organization=organization, actor=SYSTEM)
    assert TrainSession.objects.count() == 5


# The command.

Run = Callable[..., Outcome]


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(**options: Any) -> Outcome:
        return outcome(capsys, "apply_requirements", **{"organization": organization.slug, **options})

    return call


def test_the_command_opens_what_is_missing(organization: Organization, run: Run, tmp_path: Path) -> None:
    staff = UserFactory.create(organization=organization)
    PersonFactory.create(organization=organization, employee_id="E0")
    require(CourseFactory.create(organization=organization, code="C"))
    report = tmp_path / "done.csv"
    dry = run(dry_run=True)
    assert dry == Outcome(0, "1 assigned, 0 refused.\nDry run: nothing was written.\n", "")
    assert (TrainSession.objects.count(), BulkOperation.objects.count()) == (0, 0)
    answer = run(staff=staff.email, report=report)
    operation = BulkOperation.objects.get()
    assert answer == Outcome(0, f"1 assigned, 0 refused. Operation {operation.pk}.\n", "")
    assert report.read_text() == "line,key,outcome,reason\n1,E0 C,assigned,\n"
    assert TrainSession.objects.get().created_by == operation.created_by == Actor.staff(staff).ref


def test_the_command_is_content_where_nothing_is_missing(organization: Organization, run: Run) -> None:
    assert run() == Outcome(0, "0 assigned, 0 refused.\nNothing is missing.\n", "")
    assert run(json=True).status == 0


def test_the_command_says_what_it_could_not_open(organization: Organization, run: Run) -> None:
    mixed(organization)
    answer = run()
    number = BulkOperation.objects.get().pk
    lines = [
        f"E0 ARCHIVED: {ARCHIVED}",
        f"E1 ARCHIVED: {ARCHIVED}",
        f"E0 UNITS-SHORT: {SHORT}",
        f"E1 UNITS-SHORT: {SHORT}",
    ]
    assert (answer.status, answer.error) == (2, "")
    *said, summary = answer.out.splitlines()
    assert [line.partition(", ")[2] for line in said] == lines
    assert summary == f"4 assigned, 4 refused. Operation {number}."
    again = run()
    assert (again.status, again.error) == (1, "Nothing was opened. Mend what was refused and run it again.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"organization": "nobody"}, "There is no organization 'nobody'."),
        ({"staff": "nobody@example.com"}, "nobody@example.com is no active staff user of {slug}."),
    ],
)
def test_the_command_needs_an_organization_and_its_staff(
    organization: Organization, run: Run, options: dict[str, str], message: str
) -> None:
    assert run(**options) == Outcome(1, "", message.format(slug=organization.slug))
