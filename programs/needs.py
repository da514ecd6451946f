"""What programs still need of the ledger: the answer to the port in `training.needs`."""

from collections.abc import Collection

from accounts.models import Organization
from programs.models import ProgramMember


def needed_by_programs(*, organization: Organization, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    members = ProgramMember.objects.of(organization).current()
    rows = members.filter(
        person_id__in={person_id for person_id, _ in pairs},
        session__template__modules__course_id__in={course_id for _, course_id in pairs},
    )
    return set(rows.values_list("person_id", "session__template__modules__course_id")) & set(pairs)
