"""The rows that the crash proof begins with, made in a process of its own:

    python -m tests.proof.crashes_scene STORIES BATCHES

Prints a JSON object: the secrets of the clients' and the reader's tokens, the assigned course's uuid, the stories, and
the batches for `bulk_enroll`.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import django

from tests.proof.crashes_acts import ASSIGNED, CERTIFICATE_MONTHS, PEOPLE, TAUGHT
from tests.proof.crashes_operator import SLUG

BATCH = 30  # People.


def make(stories: int, batches: int) -> dict[str, Any]:
    from django.core.management import call_command  # noqa: PLC0415 - models can be imported once Django is set up

    from accounts.models import Person  # noqa: PLC0415
    from accounts.scopes import Scope  # noqa: PLC0415
    from accounts.services.tokens import create_token  # noqa: PLC0415
    from enrollments.models import Session  # noqa: PLC0415
    from tests.factories import SYSTEM, CourseFactory, OrganizationFactory  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    organization = OrganizationFactory.create(slug=SLUG)
    assigned, taught = (
        CourseFactory.create(organization=organization, code=code, certificate_months=CERTIFICATE_MONTHS[code])
        for code in (ASSIGNED, TAUGHT)
    )
    people = Person.objects.bulk_create(
        Person(
            organization=organization,
            employee_id=f"E{number}",
            first_name="Ada",
            search_name="ada",
            username=f"p{number}",
        )
        for number in range(stories * PEOPLE + batches * BATCH)
    )
    in_batches = people[stories * PEOPLE :]
    starts = datetime(2040, 1, 1, tzinfo=UTC)
    sessions = Session.objects.bulk_create(
        Session(
            organization=organization,
            course=taught,
            name=f"Story {number}",
            starts_at=starts,
            ends_at=starts + timedelta(hours=8),
            max_participants=PEOPLE if number < stories else BATCH,
        )
        for number in range(stories + batches)
    )
    tokens = [
        create_token(organization=organization, actor=SYSTEM, name=name, scopes=Scope.values)
        for name in ("clients", "reader")
    ]
    return {
        "writer": tokens[0][1],
        "reader": tokens[1][1],
        "actor": f"token-{tokens[0][0].pk}",
        "course": str(assigned.uuid),
        "stories": [
            {
                "number": number,
                "session": session.pk,
                "people": [one.pk for one in people[number * PEOPLE : (number + 1) * PEOPLE]],
            }
            for number, session in enumerate(sessions[:stories])
        ],
        "batches": [
            {
                "session": session.pk,
                "people": [one.pk for one in in_batches[number * BATCH : (number + 1) * BATCH]],
                "employees": [one.employee_id for one in in_batches[number * BATCH : (number + 1) * BATCH]],
            }
            for number, session in enumerate(sessions[stories:])
        ],
    }


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(make(int(sys.argv[1]), int(sys.argv[2]))))
