"""Who still needs a record: asked before one is taken back.

Enrollments are below and are asked directly. Programs stand above the ledger and answer through a port, registered
when the apps are ready.
"""

from collections.abc import Collection
from typing import Protocol

from accounts.models import Organization
from enrollments.models import Enrollment, EnrollmentStatus

Pair = tuple[int, int]  # person id, course id


class Needs(Protocol):
    def __call__(self, *, organization: Organization, pairs: Collection[Pair]) -> set[Pair]:
        """Those of the pairs whose record something current asks for."""


_providers: list[Needs] = []


def register(provider: Needs) -> None:
    _providers.append(provider)


def still_needed(*, organization: Organization, pairs: Collection[Pair]) -> set[Pair]:
    if not pairs:
        return set()
    enrollments = Enrollment.objects.of(organization).filter(
        status=EnrollmentStatus.ENROLLED,
        person_id__in={person_id for person_id, _ in pairs},
        session__course_id__in={course_id for _, course_id in pairs},
    )
    needed = set(enrollments.values_list("person_id", "session__course_id"))
    for provider in _providers:
        needed |= provider(organization=organization, pairs=pairs)
    return needed & set(pairs)
