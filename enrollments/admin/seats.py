"""What enrolling adds to a person's page: the seats."""

from typing import Any

from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin
from accounts.models import Person
from enrollments.models import Enrollment

MOST_SHOWN = 100


def seats_section(_admin: LedgerAdmin, _request: HttpRequest, person: Person) -> dict[str, Any]:
    rows = Enrollment.objects.of(person.organization).filter(person=person).select_related("session__course")
    found = list(rows.order_by("-session__starts_at", "-pk")[: MOST_SHOWN + 1])
    return {"seats": found[:MOST_SHOWN], "more": len(found) > MOST_SHOWN, "most": MOST_SHOWN}
