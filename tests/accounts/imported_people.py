"""People before an import, files, and what is to become of their rows."""

from collections.abc import Sequence
from typing import Any

from accounts.actors import Actor
from accounts.models import GroupMember, Organization, Person
from accounts.services import groups
from accounts.services.people import create_person

ACTOR = Actor.system()
# employee number: first name, last name, mail, username, kind, active, groups
State = dict[str, tuple[str, str, str, str, str, bool, tuple[str, ...]]]

ADA = ("Ada", "Okafor", "ada@example.com", "ada", "driver", True, ("Night",))
BOB = ("Bob", "Ruiz", "Bob@example.com", "bob", "user", True, ())


def state(organization: Organization) -> State:
    members: dict[int, list[str]] = {}
    rows = GroupMember.objects.filter(organization=organization, group__organization=organization)
    for person_id, name in rows.order_by("group__name").values_list("person_id", "group__name"):
        members.setdefault(person_id, []).append(name)
    return {
        one.employee_id: (
            one.first_name,
            one.last_name,
            one.mail,
            one.username,
            one.kind,
            one.active,
            tuple(members.get(one.pk, ())),
        )
        for one in Person.objects.filter(organization=organization).order_by("employee_id")
    }


def add(organization: Organization, employee_id: str, values: Sequence[Any]) -> Person:
    names = ("first_name", "last_name", "mail", "username", "kind", "active")
    fields = dict(zip(names, values, strict=False))
    person = create_person(organization=organization, actor=ACTOR, employee_id=employee_id, **fields)
    groups.set_groups(organization=organization, actor=ACTOR, names={person.pk: values[6]})
    return person


CASES: dict[str, tuple[str, int, str, State]] = {
    "created": (
        (
            "employee_id,first_name,last_name,mail,username,kind,active,groups\n"
            "EMP-3,Cy,Ng,cy@example.com,cy,driver,No,Night;Day\n"
        ),
        0,
        "1 created, 0 updated, 0 refused.{operation}\n",
        {"EMP-3": ("Cy", "Ng", "cy@example.com", "cy", "driver", False, ("Day", "Night"))},
    ),
    "created with what must be": (
        "employee_id,first_name\nEMP-3,Cy\n",
        0,
        "1 created, 0 updated, 0 refused.{operation}\n",
        {"EMP-3": ("Cy", "", "", "", "user", True, ())},
    ),
    "created with empty cells": (
        "employee_id,first_name,last_name,mail,username,kind,active,groups\nEMP-3,Cy,,,,,,\nEMP-4,Di,,,,,,\n",
        0,
        "2 created, 0 updated, 0 refused.{operation}\n",
        {"EMP-3": ("Cy", "", "", "", "user", True, ()), "EMP-4": ("Di", "", "", "", "user", True, ())},
    ),
    "one column updated": (
        "last_name,employee_id\nObi,EMP-1\n",
        0,
        "0 created, 1 updated, 0 refused.{operation}\n",
        {"EMP-1": ("Ada", "Obi", *ADA[2:])},
    ),
    "every column updated": (
        (
            "employee_id,first_name,last_name,mail,username,kind,active,groups\n"
            "EMP-1,Bea,Obi,bea@example.com,bea,user,0,Day\n"
        ),
        0,
        "0 created, 1 updated, 0 refused.{operation}\n",
        {"EMP-1": ("Bea", "Obi", "bea@example.com", "bea", "user", False, ("Day",))},
    ),
    "cleared by empty cells": (
        "employee_id,last_name,mail,username,kind,active,groups\nEMP-1,,,,,,\n",
        0,
        "0 created, 1 updated, 0 refused.{operation}\n",
        {"EMP-1": ("Ada", "", "", "", "driver", True, ())},
    ),
    "groups only": (
        "employee_id,groups\nEMP-1, Day ;; Dusk;Day\nEMP-2,Night\n",
        0,
        "0 created, 2 updated, 0 refused.{operation}\n",
        {"EMP-1": (*ADA[:6], ("Day", "Dusk")), "EMP-2": (*BOB[:6], ("Night",))},
    ),
    "unchanged": (
        (
            "employee_id,first_name,last_name,mail,username,kind,active,groups\n"
            "EMP-1,Ada,Okafor,ada@example.com,ada,driver,TRUE,Night\nEMP-2,Bob,Ruiz,Bob@example.com,bob,,yes,\n"
        ),
        0,
        "0 created, 0 updated, 0 refused, 2 unchanged.{operation}\n",
        {},
    ),
    "the number alone": (
        "employee_id\nEMP-1\nEMP-3\n",
        2,
        (
            "line 3, EMP-3: first_name: This field cannot be blank.\n"
            "0 created, 0 updated, 1 refused, 1 unchanged.{operation}\n"
        ),
        {},
    ),
    "the case of one's own mail": (
        "employee_id,mail\nEMP-1,Ada@Example.com\n",
        0,
        "0 created, 1 updated, 0 refused.{operation}\n",
        {"EMP-1": (*ADA[:2], "Ada@Example.com", *ADA[3:])},
    ),
    "spaces left out": (
        "employee_id , last_name\n EMP-1, Okafor \nEMP-9,\n",
        2,
        (
            "line 3, EMP-9: first_name: This field cannot be blank.\n"
            "0 created, 0 updated, 1 refused, 1 unchanged.{operation}\n"
        ),
        {},
    ),
    "every wrong column named": (
        (
            "employee_id,first_name,mail,username,kind,active,groups\n"
            f"EMP-3,,nobody,{'x' * 151},pilot,maybe,{'g' * 121}\n,Di,,,,,\nEMP-4,Ed,,,,,\n"
        ),
        2,
        (
            "line 2, EMP-3: first_name: This field cannot be blank. mail: Enter a valid email address. "
            "username: Ensure this value has at most 150 characters (it has 151). "
            "kind: Value 'pilot' is not a valid choice. active: “maybe” value must be either True or False. "
            "groups: Ensure this value has at most 120 characters (it has 121).\n"
            "line 3, (blank): employee_id: This field cannot be blank.\n"
            "1 created, 0 updated, 2 refused.{operation}\n"
        ),
        {"EMP-4": ("Ed", "", "", "", "user", True, ())},
    ),
    "first name cleared": (
        "employee_id,first_name\nEMP-1,\nEMP-2,Rob\n",
        2,
        "line 2, EMP-1: first_name: This field cannot be blank.\n0 created, 1 updated, 1 refused.{operation}\n",
        {"EMP-2": ("Rob", *BOB[1:])},
    ),
    "given in an earlier line": (
        (
            "employee_id,first_name,mail,username\n"
            "EMP-3,Cy,cy@example.com,cy\nEMP-3,Cyd,,\nEMP-4,Di,CY@example.com,cy\nEMP-4,Di,,CY\n"
        ),
        2,
        (
            "line 3, EMP-3: employee_id: line 2 has it already.\n"
            "line 4, EMP-4: username: line 2 has it already. mail: line 2 has it already.\n"
            "2 created, 0 updated, 2 refused.{operation}\n"
        ),
        {
            "EMP-3": ("Cy", "", "cy@example.com", "cy", "user", True, ()),
            "EMP-4": ("Di", "", "", "CY", "user", True, ()),
        },
    ),
    "somebody else's": (
        (
            "employee_id,first_name,mail,username\nEMP-3,Cy,,ada\nEMP-4,Di,BOB@EXAMPLE.COM,di\nEMP-2,Bob,ada@example.com,\n"
            "EMP-5,Ed,,\n"
        ),
        2,
        (
            "line 2, EMP-3: username: Somebody else has this username.\n"
            "line 3, EMP-4: mail: Somebody else has this e-mail address.\n"
            "line 4, EMP-2: mail: Somebody else has this e-mail address.\n"
            "1 created, 0 updated, 3 refused.{operation}\n"
        ),
        {"EMP-5": ("Ed", "", "", "", "user", True, ())},
    ),
    "freed by an earlier line": (
        "employee_id,first_name,mail,username\nEMP-1,Ada,,b\nEMP-2,Bob,ADA@example.com,ada\nEMP-3,Cy,bob@example.com,bob\n",
        0,
        "1 created, 2 updated, 0 refused.{operation}\n",
        {
            "EMP-1": ("Ada", "Okafor", "", "b", *ADA[4:]),
            "EMP-2": ("Bob", "Ruiz", "ADA@example.com", "ada", *BOB[4:]),
            "EMP-3": ("Cy", "", "bob@example.com", "bob", "user", True, ()),
        },
    ),
    "freed too late": (
        "employee_id,username\nEMP-2,ada\nEMP-1,b\n",
        2,
        "line 2, EMP-2: username: Somebody else has this username.\n0 created, 1 updated, 1 refused.{operation}\n",
        {"EMP-1": (*ADA[:3], "b", *ADA[4:])},
    ),
    "not freed by a refused line": (
        "employee_id,first_name,username\nEMP-1,,b\nEMP-2,Bob,ada\nEMP-1,Ada,b\n",
        2,
        (
            "line 2, EMP-1: first_name: This field cannot be blank.\n"
            "line 3, EMP-2: username: Somebody else has this username.\n"
            "0 created, 1 updated, 2 refused.{operation}\n"
        ),
        {"EMP-1": (*ADA[:3], "b", *ADA[4:])},
    ),
}
