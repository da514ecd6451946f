"""Who is in a program session. Its limit is a capacity like a session's seats and is filled by the same rule."""

from collections import Counter
from collections.abc import Collection, Sequence

from django.db.models import Count
from django.utils import timezone

from accounts.actors import Actor
from accounts.days import day_of
from accounts.errors import PeopleInactive, PeopleUnknown
from accounts.models import Organization, Person
from accounts.transactions import write
from enrollments.errors import NotEnoughUnits
from enrollments.models import Course
from enrollments.seats import lock_rows, take_seats
from programs.errors import ProgramSessionUnknown, RequirementsNotMet
from programs.models import MemberRecord, Module, ProgramMember, ProgramRequirement, ProgramSession
from training.models import Origin, TrainSession, Unit
from training.needs import still_needed
from training.services.writer import LedgerWriter, Opening, ledger_writer


def join(
    *, organization: Organization, actor: Actor, session: ProgramSession, person_ids: Sequence[int]
) -> list[ProgramMember]:
    """Add people, all or nothing; who is a member already stays as he is. Returns the memberships in the order asked.

    Raises ProgramSessionUnknown, PeopleUnknown, PeopleInactive, RequirementsNotMet, SessionFull, NotEnoughUnits.
    """
    ids = list(dict.fromkeys(person_ids))
    with write(actor):
        session = lock_program_session(organization, session)
        current = ProgramMember.objects.of(organization).current().filter(session=session)
        members = {member.person_id: member for member in current.filter(person_id__in=ids)}
        new = [pk for pk in ids if pk not in members]
        _check_people(organization, new)
        _check_requirements(organization, session, new)
        take_seats(capacity=session.capacity, taken=current.count(), requested=len(new))
        joined = ProgramMember.objects.bulk_create(
            ProgramMember(
                organization=organization, session=session, person_id=pk, created_by=actor.ref, updated_by=actor.ref
            )
            for pk in new
        )
        members.update({member.person_id: member for member in joined})
        if joined:
            with ledger_writer(organization, actor) as writer:
                _open_records(writer, session, joined)
    return [members[pk] for pk in ids]


def leave(
    *, organization: Organization, actor: Actor, session: ProgramSession, person_ids: Sequence[int]
) -> list[ProgramMember]:
    """Remove people; who is no member is passed over. The ledger takes back what these memberships opened, unless it
    is completed or something else needs it. Raises ProgramSessionUnknown.
    """
    with write(actor):
        session = lock_program_session(organization, session)
        current = ProgramMember.objects.of(organization).current()
        leaving = list(current.filter(session=session, person_id__in=person_ids).order_by("pk"))
        if not leaving:
            return []
        now = timezone.now()
        for member in leaving:
            member.left_at, member.updated_by = now, actor.ref
        ProgramMember.objects.of(organization).bulk_update(leaving, ["left_at", "updated_by"], batch_size=500)
        with ledger_writer(organization, actor) as writer:
            opened = writer.records.open().filter(opened_by_member__member__in=leaving)
            pairs = {
                (person_id, course_id): pk
                for pk, person_id, course_id in opened.values_list("pk", "person_id", "course_id")
            }
            needed = still_needed(organization=organization, pairs=pairs)
            writer.unassign([pk for pair, pk in pairs.items() if pair not in needed], "Left the program session")
    return leaving


def lock_program_session(organization: Organization, session: ProgramSession) -> ProgramSession:
    locked = lock_rows(ProgramSession.objects.of(organization), [session.pk]).get(session.pk)
    if locked is None:
        raise ProgramSessionUnknown(session.hex_id)
    return locked


def _check_people(organization: Organization, ids: list[int]) -> None:
    active = dict(Person.objects.of(organization).filter(pk__in=ids).values_list("pk", "active"))
    if unknown := [pk for pk in ids if pk not in active]:
        raise PeopleUnknown(unknown)
    if inactive := [pk for pk in ids if not active[pk]]:
        raise PeopleInactive(inactive)


def _check_requirements(organization: Organization, session: ProgramSession, ids: list[int]) -> None:
    """A required course: a completed record, valid today. A required program: that for each of its modules' courses."""
    requirements = list(
        ProgramRequirement.objects.of(organization).filter(session=session).select_related("course", "template")
    )
    if not requirements or not ids:
        return
    modules = Module.objects.of(organization).filter(
        template__in=[row.template_id for row in requirements if row.template_id], course__isnull=False
    )
    courses_of: dict[int, set[int]] = {}
    for template_id, course_id in modules.values_list("template_id", "course_id"):
        courses_of.setdefault(template_id, set()).add(course_id)
    # A list, for names need not be unique: two required programs may share one, or bear a course's code.
    wanted = [
        (row.course.code, {row.course.pk})
        if row.course
        else (str(row.template), courses_of.get(row.template_id or 0, set()))
        for row in requirements
    ]
    met = _valid(organization, ids, {course_id for _, courses in wanted for course_id in courses})
    missing = {
        pk: [name for name, courses in wanted if any((pk, course_id) not in met for course_id in courses)] for pk in ids
    }
    if unmet := {pk: names for pk, names in missing.items() if names}:
        raise RequirementsNotMet(unmet)


def _valid(organization: Organization, ids: Collection[int], course_ids: Collection[int]) -> set[tuple[int, int]]:
    today = day_of(timezone.now(), organization.zone)
    rows = TrainSession.objects.of(organization).valid_on(today)
    return set(rows.filter(person_id__in=ids, course_id__in=course_ids).values_list("person_id", "course_id"))


def _open_records(writer: LedgerWriter, session: ProgramSession, members: Sequence[ProgramMember]) -> None:
    """For each course module a record due at the session's end, remembered as opened by this membership."""
    courses = _courses(writer.organization, session)
    opened = writer.open_where_owed(
        [Opening(member.person_id, course, session.ends_at, Origin.PROGRAM) for member in members for course in courses]
    )
    member_of = {member.person_id: member for member in members}
    MemberRecord.objects.bulk_create(
        MemberRecord(organization=writer.organization, member=member_of[record.person_id], train_session=record)
        for record in opened
    )


def without_units(
    *, organization: Organization, actor: Actor, session: ProgramSession, person_ids: Sequence[int]
) -> dict[int, NotEnoughUnits]:
    """Who would find too few units if these people joined one after the other; who needs none waits for none.

    True until the transaction ends: the ledger lock is held from here on, after the session's, which the caller holds.
    """
    with ledger_writer(organization, actor) as writer:
        courses = [course for course in _courses(organization, session) if course.uses_units]
        pairs = {(pk, course.pk) for pk in person_ids for course in courses}
        settled = set(writer.open_records(pairs)) | writer.validly_completed(pairs)
        units = Unit.objects.of(organization).free(writer.today).filter(course__in=courses).order_by()
        free = Counter(dict(units.values_list("course_id").annotate(count=Count("pk"))))
    lacking: dict[int, NotEnoughUnits] = {}
    for pk in person_ids:
        owed = [course for course in courses if (pk, course.pk) not in settled]
        if short := next((course for course in owed if not free[course.pk]), None):
            lacking[pk] = NotEnoughUnits(course_code=short.code, free=0, needed=1)
        else:
            free.subtract(course.pk for course in owed)
    return lacking


def _courses(organization: Organization, session: ProgramSession) -> list[Course]:
    """What the modules of its template ask for, each once."""
    modules = Module.objects.of(organization).filter(template_id=session.template_id, course__isnull=False)
    courses = Course.objects.of(organization).in_bulk(list(modules.values_list("course_id", flat=True)))
    return list(courses.values())
