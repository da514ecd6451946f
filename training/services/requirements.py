"""Requirements, and opening the records that they ask for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from accounts.actors import Actor
from accounts.bulk import Done, RowOutcome, Tell, tell_nobody
from accounts.days import day_of, last_instant
from accounts.errors import FieldsRefused, Refusal
from accounts.models import OperationKind, Organization, Outcome, Person
from accounts.services.operations import begin, finish, record
from accounts.services.saving import save_checked
from accounts.transactions import write
from enrollments.errors import NotEnoughUnits
from enrollments.models import Course, CourseStatus
from training.errors import CourseNotAssignable
from training.models import Audience, DueRule, Origin, Requirement, RequirementPerson
from training.required import Missing, missing
from training.services.writer import LedgerWriter, Opening, ledger_writer
from training.wording import describe

BATCH = 2000  # Rows in one statement: no database refuses so many, and a progress bar moves.


def create_requirement(
    *, organization: Organization, actor: Actor, people: Sequence[Person] = (), **fields: Any
) -> Requirement:
    """`people` are whom it names. It opens nothing: `apply_requirements` does. Raises FieldsRefused, CourseNotAssignable."""
    with write(actor):
        requirement = Requirement(organization=organization, created_by=actor.ref, updated_by=actor.ref, **fields)
        save_checked(requirement)
        _check_course(requirement.course)
        _name(requirement, people)
    return requirement


def update_requirement(
    *,
    organization: Organization,
    actor: Actor,
    requirement: Requirement,
    changes: dict[str, Any],
    people: Sequence[Person] | None = None,
) -> Requirement:
    """`people`, where given, replaces those whom it names. What another audience or due rule has no use for goes.

    What it opened stays open. Raises FieldsRefused, CourseNotAssignable.
    """
    with write(actor):
        rows = Requirement.objects.of(organization).select_for_update(of=("self",), no_key=True)
        requirement = rows.get(pk=requirement.pk)
        changes = {**_without_use(changes), **changes}
        for field, value in changes.items():
            setattr(requirement, field, value)
        requirement.updated_at, requirement.updated_by = timezone.now(), actor.ref
        save_checked(requirement, update_fields=[*changes, "updated_at", "updated_by"])
        if "course" in changes:
            _check_course(requirement.course)
        if people is not None or "audience" in changes:
            _name(requirement, _named(requirement) if people is None else people)
    return requirement


def _without_use(changes: dict[str, Any]) -> dict[str, Any]:
    emptied: dict[str, Any] = {}
    if changes.get("audience", Audience.GROUP) != Audience.GROUP:
        emptied["group"] = None
    if "due_rule" in changes:
        emptied["due_days" if changes["due_rule"] == DueRule.ON_DATE else "due_on"] = None
    return emptied


def _check_course(course: Course) -> None:
    if course.status != CourseStatus.PUBLISHED:
        raise CourseNotAssignable(course_code=course.code, status=course.status)


def _named(requirement: Requirement) -> list[Person]:
    if requirement.audience != Audience.PEOPLE:
        return []
    rows = RequirementPerson.objects.of(requirement.organization).filter(requirement=requirement)
    return [row.person for row in rows.select_related("person")]


def _name(requirement: Requirement, people: Sequence[Person]) -> None:
    if requirement.audience == Audience.PEOPLE and not people:
        raise FieldsRefused({"people": ["Name at least one person."]})
    if requirement.audience != Audience.PEOPLE and people:
        raise FieldsRefused({"people": ["Leave this empty, unless it is required of named people."]})
    if any(person.organization_id != requirement.organization_id for person in people):
        raise FieldsRefused({"people": ["There is no such row."]})
    rows = RequirementPerson.objects.of(requirement.organization).filter(requirement=requirement)
    rows.exclude(person__in=people).delete()
    RequirementPerson.objects.bulk_create(
        [
            RequirementPerson(organization_id=requirement.organization_id, requirement=requirement, person=person)
            for person in people
        ],
        ignore_conflicts=True,
    )


def apply_requirements(
    *,
    organization: Organization,
    actor: Actor,
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Open the records that are missing: `training.required.missing` says which, due when.

    A course that cannot be opened (it is archived, or has too few units for everybody who lacks it) is refused for
    each of them and stops no other course. In chunks, each a transaction of its own: the ledger is not held while it
    is found out who lacks what, and an exception from `tell` leaves what was told of. A dry run tells the same and
    writes nothing; where nothing is missing nothing is recorded. Raises Busy.
    """
    operation, line, counts = None, 1, Counter[str]()
    for lack in missing(organization, today=day_of(timezone.now(), organization.zone)):
        for start in range(0, len(lack.people), BATCH):
            batch = replace(lack, people=lack.people[start : start + BATCH])
            if dry_run:
                outcomes = _outcomes(batch, line, _foreseen(batch))
            else:
                with ledger_writer(organization, actor) as writer:
                    operation = operation or begin(
                        organization=organization,
                        actor=actor,
                        kind=OperationKind.APPLY_REQUIREMENTS,
                        details=details,
                        at=writer.now,
                    )
                    outcomes = _outcomes(batch, line, _opened(writer, batch))
                    record(operation, outcomes)
            tell(outcomes)
            line += len(outcomes)
            counts.update(one.outcome.value for one in outcomes)
    if operation is not None:
        with write(actor):
            finish(operation)
    return Done(operation_id=None if operation is None else operation.pk, counts=dict(counts))


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reason: str = ""
    target_id: int | None = None


NOT_ANY_MORE = Verdict(Outcome.UNCHANGED, "Is not missing any more.")


def _outcomes(lack: Missing, line: int, verdicts: Mapping[int, Verdict]) -> list[RowOutcome]:
    """`verdicts` are by person."""
    told = []
    for number, one in enumerate(lack.people, start=line):
        verdict = verdicts.get(one.person_id, NOT_ANY_MORE)
        key = f"{one.employee_id} {lack.course.code}"
        told.append(RowOutcome(number, key, verdict.outcome, verdict.reason, verdict.target_id))
    return told


def _foreseen(lack: Missing) -> dict[int, Verdict]:
    verdict = _refused(lack.refusal) if lack.refusal is not None else Verdict(Outcome.ASSIGNED)
    return {one.person_id: verdict for one in lack.people}


def _refused(refusal: Refusal) -> Verdict:
    return Verdict(Outcome.REFUSED, describe(refusal))


def _opened(writer: LedgerWriter, lack: Missing) -> dict[int, Verdict]:
    """Under the ledger lock: who has been deactivated, or given a record, since it was found out is passed over."""
    if lack.refusal is not None:
        return _foreseen(lack)
    ids = [one.person_id for one in lack.people]
    people = Person.objects.of(writer.organization).filter(pk__in=ids, active=True)
    active = set(people.values_list("pk", flat=True))
    zone = writer.organization.zone
    openings = [
        Opening(one.person_id, lack.course, last_instant(one.due_on, zone), origin=Origin.REQUIREMENT)
        for one in lack.people
        if one.person_id in active
    ]
    try:
        made = writer.open_where_owed(openings)
    except NotEnoughUnits as lacking:
        return dict.fromkeys(active, _refused(lacking))
    return {row.person_id: Verdict(Outcome.ASSIGNED, target_id=row.pk) for row in made}
