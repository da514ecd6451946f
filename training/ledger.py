"""The ledger as enrolling asks for it: the one adapter of the port in `enrollments.ledger`."""

from collections.abc import Collection, Sequence
from datetime import date

from accounts.actors import Actor
from accounts.models import Organization
from enrollments.ledger import UnitsWanted
from enrollments.models import Course, Enrollment
from training.models import Origin, TrainSession, Unit
from training.needs import still_needed
from training.services.writer import LedgerWriter, Opening, ledger_writer

BATCH = 2000  # Rows in one statement: no database refuses so many.


class TrainSessionLedger:
    def valid_completions(
        self, *, organization: Organization, person_ids: Collection[int], course_ids: Collection[int], on: date
    ) -> set[tuple[int, int]]:
        rows = TrainSession.objects.of(organization).valid_on(on)
        rows = rows.filter(person_id__in=person_ids, course_id__in=course_ids)
        return set(rows.values_list("person_id", "course_id"))

    def enrolled(self, *, organization: Organization, actor: Actor, enrollments: Sequence[Enrollment]) -> None:
        with ledger_writer(organization, actor) as writer:
            writer.open_where_owed([_opening(enrollment) for enrollment in enrollments])

    def units_wanted(
        self,
        *,
        organization: Organization,
        actor: Actor,
        course: Course,
        person_ids: Sequence[int],
        for_results: bool = False,
    ) -> UnitsWanted:
        with ledger_writer(organization, actor) as writer:
            free = Unit.objects.of(organization).free(writer.today).filter(course=course).count()
            wanted_by: list[int] = []
            for start in range(0, len(person_ids), BATCH):
                batch = person_ids[start : start + BATCH]
                pairs = {(pk, course.pk) for pk in batch}
                settled = set(writer.open_records(pairs))
                if not for_results:
                    settled |= writer.validly_completed(pairs)
                wanted_by += [pk for pk in batch if (pk, course.pk) not in settled]
            return UnitsWanted(free=free, wanted_by=wanted_by)

    def cancelled(self, *, organization: Organization, actor: Actor, enrollments: Sequence[Enrollment]) -> None:
        with ledger_writer(organization, actor) as writer:
            opened = writer.records.open().untouched().filter(enrollment__in=enrollments)
            pairs = {
                (person_id, course_id): pk
                for pk, person_id, course_id in opened.values_list("pk", "person_id", "course_id")
            }
            needed = still_needed(organization=organization, pairs=pairs)
            writer.unassign([pk for pair, pk in pairs.items() if pair not in needed], "Enrollment cancelled")

    def finished(self, *, organization: Organization, actor: Actor, enrollments: Sequence[Enrollment]) -> None:
        with ledger_writer(organization, actor) as writer:
            owed = {_opening(enrollment).pair: enrollment for enrollment in enrollments}
            records = writer.open_records(owed)
            writer.open([_opening(enrollment) for pair, enrollment in owed.items() if pair not in records])
            records = writer.open_records(owed)
            for pair, enrollment in owed.items():
                _enter(writer, records[pair], enrollment)
            writer.save(list(records.values()))


def _opening(enrollment: Enrollment) -> Opening:
    return Opening(enrollment.person_id, enrollment.session.course, origin=Origin.ENROLLMENT, enrollment=enrollment)


def _enter(writer: LedgerWriter, record: TrainSession, enrollment: Enrollment) -> None:
    if enrollment.passed:
        writer.complete(record, enrollment.score)
    elif enrollment.passed is None:
        writer.start(record)
    else:
        writer.fail_attempt(record, enrollment.score)
