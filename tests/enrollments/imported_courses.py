"""Courses before an import, files, and what is to become of their rows."""

from decimal import Decimal
from typing import Any

from accounts.actors import Actor
from accounts.bulk import InputRow
from accounts.models import Organization
from enrollments.models import Course, Prerequisite
from enrollments.services.importing import import_courses

ACTOR = Actor.system()
# code: title, category, delivery, hours, cost, provider, its name, description, pass score, months, units, status, requires
Values = tuple[Any, ...]
State = dict[str, Values]

FIELDS = (
    "title",
    "category__slug",
    "delivery_mode",
    "duration_hours",
    "cost_per_participant",
    "provider",
    "provider_name",
    "description",
    "pass_score",
    "certificate_months",
    "uses_units",
    "status",
)
PLAIN = ("safety", "in_person", Decimal(0), Decimal(0), "internal", "", "", None, None, False, "published")
BASIC = ("Basics", *PLAIN, ())
FULL = (
    "Heights",
    "compliance",
    "hybrid",
    Decimal("7.5"),
    Decimal("120.25"),
    "external",
    "Acme",
    "How to.",
    Decimal("82.5"),
    12,
    True,
    "archived",
    ("BASIC",),
)


def state(organization: Organization) -> State:
    required: dict[str, list[str]] = {}
    rows = Prerequisite.objects.filter(organization=organization)
    for code, one in rows.order_by("required__code").values_list("course__code", "required__code"):
        required.setdefault(code, []).append(one)
    courses = Course.objects.filter(organization=organization).order_by("code").values_list("code", *FIELDS)
    return {row[0]: (*row[1:], tuple(required.get(row[0], ()))) for row in courses}


def revisions(organization: Organization) -> dict[str, tuple[Any, ...]]:
    courses = Course.objects.filter(organization=organization)
    return {row[0]: row[1:] for row in courses.values_list("code", "revision", "updated_at", "uuid", "hex_id", "pk")}


def run_rows(organization: Organization, header: str, *lines: str, tell: Any = None) -> None:
    columns = header.split(",")
    rows = [
        InputRow(number, dict(zip(columns, line.split(","), strict=True))) for number, line in enumerate(lines, start=2)
    ]
    import_courses(
        organization=organization, actor=ACTOR, columns=columns, rows=rows, **({"tell": tell} if tell else {})
    )


CIRCLE = "A course cannot require itself, directly or through others."
CASES: dict[str, tuple[str, int, str, State]] = {
    "created": (
        (
            "code,title,category,delivery_mode,duration_hours,cost_per_participant,provider,provider_name,description,"
            "prerequisites,pass_score,certificate_months,uses_units,status\n"
            'NEW,New one,Compliance,online,1.25,99,external,Them,"Text, and more",HIGH;BASIC;HIGH,60,24,Yes,archived\n'
        ),
        0,
        "1 created, 0 updated, 0 refused.{operation}\n",
        {
            "NEW": (
                "New one",
                "compliance",
                "online",
                Decimal("1.25"),
                Decimal(99),
                "external",
                "Them",
                "Text, and more",
                Decimal(60),
                24,
                True,
                "archived",
                ("BASIC", "HIGH"),
            )
        },
    ),
    "created with what must be": (
        "code,title,category\nNEW,New one,SAFETY\n",
        0,
        "1 created, 0 updated, 0 refused.{operation}\n",
        {"NEW": ("New one", *PLAIN, ())},
    ),
    "created with empty cells": (
        (
            "code,title,category,delivery_mode,duration_hours,cost_per_participant,provider,provider_name,description,"
            "prerequisites,pass_score,certificate_months,uses_units,status\nNEW,New one,safety,,,,,,,,,,,\n"
        ),
        0,
        "1 created, 0 updated, 0 refused.{operation}\n",
        {"NEW": ("New one", *PLAIN, ())},
    ),
    "one column updated": (
        "title,code\nHigh up,HIGH\n",
        0,
        "0 created, 1 updated, 0 refused.{operation}\n",
        {"HIGH": ("High up", *FULL[1:])},
    ),
    "cleared by empty cells": (
        "code,provider_name,description,pass_score,certificate_months,prerequisites\nHIGH,,,,,\n",
        0,
        "0 created, 1 updated, 0 refused.{operation}\n",
        {"HIGH": (*FULL[:6], "", "", None, None, *FULL[10:12], ())},
    ),
    "left by empty cells": (
        "code,delivery_mode,duration_hours,cost_per_participant,provider,uses_units,status\nHIGH,,,,,,\n",
        0,
        "0 created, 0 updated, 0 refused, 1 unchanged.{operation}\n",
        {},
    ),
    "unchanged": (
        (
            "code,title,category,duration_hours,cost_per_participant,pass_score,uses_units,prerequisites\n"
            "HIGH,Heights,compliance,7.50,120.25,82.5000,1,BASIC\n BASIC,Basics,Safety,0,0.00,,no,\n"
        ),
        0,
        "0 created, 0 updated, 0 refused, 2 unchanged.{operation}\n",
        {},
    ),
    "prerequisites only": (
        "code,prerequisites\nHIGH,\nBASIC,HIGH\n",
        0,
        "0 created, 2 updated, 0 refused.{operation}\n",
        {"HIGH": (*FULL[:12], ()), "BASIC": (*BASIC[:12], ("HIGH",))},
    ),
    "prerequisites of earlier lines": (
        "code,title,category,prerequisites\nA,Aa,safety,\nB,Bb,safety,A;BASIC\nC,Cc,safety,B; A\n",
        0,
        "3 created, 0 updated, 0 refused.{operation}\n",
        {
            "A": ("Aa", *PLAIN, ()),
            "B": ("Bb", *PLAIN, ("A", "BASIC")),
            "C": ("Cc", *PLAIN, ("A", "B")),
        },
    ),
    "prerequisites that are not there": (
        "code,title,category,prerequisites\nA,Aa,safety,B;BASIC;basic\nB,,safety,\nC,Cc,safety,B\nBASIC,Basics,safety,\n",
        2,
        (
            "line 2, A: prerequisites: Unknown courses: B, basic.\n"
            "line 3, B: title: This field cannot be blank.\n"
            "line 4, C: prerequisites: Unknown courses: B.\n"
            "0 created, 0 updated, 3 refused, 1 unchanged.{operation}\n"
        ),
        {},
    ),
    "prerequisites in a circle": (
        (
            "code,title,category,prerequisites\n"
            "BASIC,Basics,safety,HIGH\nA,Aa,safety,A\nB,Bb,safety,HIGH\nC,Cc,safety,B\nBASIC,Basics,safety,C;BASIC\n"
        ),
        2,
        (
            f"line 2, BASIC: prerequisites: {CIRCLE}\n"
            f"line 3, A: prerequisites: {CIRCLE}\n"
            f"line 6, BASIC: prerequisites: {CIRCLE}\n"
            "2 created, 0 updated, 3 refused.{operation}\n"
        ),
        {"B": ("Bb", *PLAIN, ("HIGH",)), "C": ("Cc", *PLAIN, ("B",))},
    ),
    "wrong without a needed column": (
        "code\nNEW\nHIGH\n",
        2,
        (
            "line 2, NEW: title: This field cannot be blank. category: This field cannot be null.\n"
            "0 created, 0 updated, 1 refused, 1 unchanged.{operation}\n"
        ),
        {},
    ),
    "every wrong column named": (
        (
            "code,title,category,delivery_mode,provider,status,uses_units,pass_score,certificate_months\n"
            f"{'c' * 61},{'t' * 201},cookery,boat,us,new,maybe,101,0\n,Tt,safety,,,,,,\nHIGH,,,,,,,,\nNEW,New one,safety,,,,,,\n"
        ),
        2,
        (
            f"line 2, {'c' * 61}: code: Ensure this value has at most 60 characters (it has 61). "
            "title: Ensure this value has at most 200 characters (it has 201). "
            "delivery_mode: Value 'boat' is not a valid choice. provider: Value 'us' is not a valid choice. "
            "pass_score: Ensure this value is less than or equal to 100. "
            "certificate_months: Ensure this value is greater than or equal to 1. "
            "uses_units: “maybe” value must be either True or False. status: Value 'new' is not a valid choice. "
            "category: Give one of {categories}.\n"
            "line 3, (blank): code: This field cannot be blank.\n"
            "line 4, HIGH: title: This field cannot be blank. category: This field cannot be null.\n"
            "1 created, 0 updated, 3 refused.{operation}\n"
        ),
        {"NEW": ("New one", *PLAIN, ())},
    ),
    "given in an earlier line": (
        "code,title,category\nA,Aa,safety\nA,Bb,safety\nHIGH,Heights,compliance\nHIGH,High up,compliance\n",
        2,
        (
            "line 3, A: code: line 2 has it already.\nline 5, HIGH: code: line 4 has it already.\n"
            "1 created, 0 updated, 2 refused, 1 unchanged.{operation}\n"
        ),
        {"A": ("Aa", *PLAIN, ())},
    ),
}
