"""What the Programs API and the admin read, from an organization down."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet, Value
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Organization, Person
from accounts.statements import Slot
from programs.models import Module, ProgramMember, ProgramRequirement, ProgramSession, ProgramTemplate, ProgramTutor
from training.models import State, TrainSession


def program_sessions(organization: Organization | Slot) -> "QuerySet[ProgramSession]":
    return ProgramSession.objects.of(organization).order_by("hex_id")


def tutors(organization: Organization | Slot) -> "QuerySet[ProgramTutor]":
    """Those whom a list of mails can name, as they were entered."""
    return ProgramTutor.objects.of(organization).exclude(person__mail="").order_by("pk")


def required_courses(organization: Organization | Slot) -> "QuerySet[ProgramRequirement]":
    return ProgramRequirement.objects.of(organization).filter(course__isnull=False).order_by("pk")


def required_programs(organization: Organization | Slot) -> "QuerySet[ProgramRequirement]":
    return ProgramRequirement.objects.of(organization).filter(course=None).order_by("pk")


def current_members(organization: Organization | Slot) -> "QuerySet[ProgramMember]":
    """Who is in a program session now, in the order of joining."""
    return ProgramMember.objects.of(organization).current().order_by("pk")


def ordered_modules(organization: Organization | Slot) -> "QuerySet[Module]":
    """In program order."""
    return Module.objects.of(organization).order_by("template_id", "position")


def is_hex_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{24}", text, re.ASCII) is not None


def session_by_id(organization: Organization, text: str) -> ProgramSession | None:
    return program_sessions(organization).filter(hex_id=text).first() if is_hex_id(text) else None


def templates(organization: Organization | Slot) -> "QuerySet[ProgramTemplate]":
    return ProgramTemplate.objects.of(organization).order_by("hex_id")


def users_of(organization: Organization, session: ProgramSession) -> "QuerySet[Person]":
    members = ProgramMember.objects.of(organization).current().filter(session=session)
    return Person.objects.of(organization).filter(program_memberships__in=members).order_by("program_memberships__pk")


def person_by_id_or_mail(organization: Organization, text: str) -> Person | None:
    """By public id (24 hex digits), else by mail, ignoring case as the uniqueness of a mail does: so that constraint's
    index serves it, and nobody else is found (in capitals, a dotless i is an I).
    """
    people = Person.objects.of(organization)
    if is_hex_id(text):
        return people.filter(hex_id=text).first()
    # PostgreSQL takes NUL in no text; nobody's mail has one.
    if "@" not in text or "\0" in text:
        return None
    found = people.exclude(mail="").alias(folded=Lower("mail")).filter(folded=Lower(Value(text)))
    # At most one, so in no order: to give the first by id, PostgreSQL would walk the people by id.
    return next(iter(found.order_by()), None)


@dataclass(frozen=True)
class Progress:
    """How far one member is: over the program's course modules, the newest record of each. `score` is the mean of the
    scores there are (None: none), `percent` the mean percentage, where an unopened module counts 0.
    """

    person: Person
    score: Decimal | None
    percent: Decimal
    hours: Decimal
    started: bool
    completed: bool


def progress(organization: Organization, session: ProgramSession) -> list[Progress]:
    people = list(users_of(organization, session))
    modules = Module.objects.of(organization).filter(template_id=session.template_id, course__isnull=False)
    courses = set(modules.values_list("course_id", flat=True))
    rows = TrainSession.objects.of(organization).live().filter(person__in=people, course__in=courses)
    newest: dict[int, dict[int, TrainSession]] = defaultdict(dict)
    for record in rows.order_by("pk"):
        newest[record.person_id][record.course_id] = record
    return [_progress(person, list(newest[person.pk].values()), len(courses)) for person in people]


def _progress(person: Person, records: Sequence[TrainSession], courses: int) -> Progress:
    scores = [record.score for record in records if record.score is not None]
    return Progress(
        person=person,
        score=sum(scores, Decimal(0)) / len(scores) if scores else None,
        percent=Decimal(sum(record.percent for record in records)) / courses if courses else Decimal(0),
        hours=sum((record.time_spent for record in records), Decimal(0)),
        started=any(record.state != State.ASSIGNED for record in records),
        completed=bool(courses) and sum(record.state == State.COMPLETED for record in records) == courses,
    )


@dataclass(frozen=True)
class MemberProgress:
    """A member, and how many of the program's courses are done or overdue, by the newest record of each."""

    member: ProgramMember
    done: int
    courses: int
    overdue: int


def members_of(organization: Organization, session: ProgramSession) -> "QuerySet[ProgramMember]":
    """Who is in it now, by name."""
    members = ProgramMember.objects.of(organization).current().filter(session=session)
    return members.select_related("person").order_by("person__search_name", "pk")


def with_progress(
    organization: Organization, session: ProgramSession, members: Sequence[ProgramMember]
) -> list[MemberProgress]:
    """In two queries, whatever their number."""
    modules = Module.objects.of(organization).filter(template_id=session.template_id, course__isnull=False)
    courses = set(modules.values_list("course_id", flat=True))
    rows = TrainSession.objects.of(organization).live()
    rows = rows.filter(person__in=[member.person_id for member in members], course__in=courses)
    newest: dict[int, dict[int, TrainSession]] = defaultdict(dict)
    for record in rows.order_by("pk"):
        newest[record.person_id][record.course_id] = record
    now = timezone.now()
    return [_member_progress(member, list(newest[member.person_id].values()), len(courses), now) for member in members]


def _member_progress(
    member: ProgramMember, records: Sequence[TrainSession], courses: int, now: datetime
) -> MemberProgress:
    return MemberProgress(
        member=member,
        done=sum(record.state == State.COMPLETED for record in records),
        courses=courses,
        overdue=sum(
            record.state != State.COMPLETED and record.due_at is not None and record.due_at <= now for record in records
        ),
    )


def memberships_of(person: Person) -> list[MemberProgress]:
    """A person's memberships, those that have ended after the others, each with its progress. Three queries."""
    rows = ProgramMember.objects.of(person.organization).filter(person=person).select_related("session__template")
    members = sorted(rows.order_by("-joined_at", "-pk"), key=lambda member: member.left_at is not None)
    courses: dict[int, set[int]] = defaultdict(set)
    modules = Module.objects.of(person.organization).filter(course__isnull=False)
    for template_id, course_id in modules.filter(
        template_id__in={member.session.template_id for member in members}
    ).values_list("template_id", "course_id"):
        courses[template_id].add(course_id)
    wanted = set().union(*courses.values())
    records = TrainSession.objects.of(person.organization).live().filter(person=person, course__in=wanted)
    newest = {record.course_id: record for record in records.order_by("pk")}
    now = timezone.now()
    return [
        _member_progress(member, [newest[pk] for pk in asked if pk in newest], len(asked), now)
        for member in members
        for asked in [courses[member.session.template_id]]
    ]
