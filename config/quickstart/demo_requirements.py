"""What the demo company requires of its people."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from accounts.models import Group, Organization
from config.quickstart.demo_records import SYSTEM
from enrollments.models import Course
from training.models import Audience, DueRule, Requirement

# Course, group (empty: everybody), and how many days after joining. The last one is due on a date, so many days ahead.
RULES = (
    ("SAFE-101", "", 14),
    ("COMP-101", "", 30),
    ("COMP-102", "", 30),
    ("SAFE-102", "Warehouse Hamburg", 30),
    ("SAFE-111", "Warehouse Hamburg", 60),
    ("COMP-106", "Drivers", 30),
    ("SAFE-121", "Drivers", 90),
)
DATED = ("COMP-107", "Office", 45)


def requirements(
    organization: Organization, courses: Mapping[str, Course], groups: Sequence[Group], today: date
) -> list[Requirement]:
    named = {group.name: group for group in groups}
    rules = [(code, name, {"due_rule": DueRule.DAYS_AFTER_JOINING, "due_days": days}) for code, name, days in RULES]
    code, name, days = DATED
    dated = {"due_rule": DueRule.ON_DATE, "due_on": today + timedelta(days=days)}
    return [
        Requirement(
            organization=organization,
            course=courses[code],
            audience=Audience.GROUP if name else Audience.ALL,
            group=named.get(name),
            created_by=SYSTEM,
            updated_by=SYSTEM,
            **due,
        )
        for code, name, due in [*rules, (code, name, dated)]
    ]
