"""What programs add to a person's page: the memberships, and how far each is."""

from typing import Any

from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin
from accounts.models import Person
from enrollments.admin.bars import share_bar
from programs.selectors import memberships_of


def memberships_section(_admin: LedgerAdmin, _request: HttpRequest, person: Person) -> dict[str, Any]:
    return {
        "memberships": [
            (one, share_bar(done=one.done, of=one.courses, what="course modules done"))
            for one in memberships_of(person)
        ]
    }
