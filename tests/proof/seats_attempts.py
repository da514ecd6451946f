"""One attempt on a seat, by one of the ways in: what was tried, and how it was answered."""

import contextlib
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.errors import Busy
from accounts.wording import describe
from enrollments.models import Enrollment, EnrollmentStatus, Session
from programs.models import ProgramMember, ProgramSession
from tests.proof.seats_client import Client, Reply, api_client, browser
from tests.proof.seats_scene import ADDRESSES, LIMITS, SESSION, Group, Place, Scene, Who

ENROLL, CANCEL, PATCH = "Training API: enroll", "Training API: cancel", "Training API: change the capacity"
JOIN, LEAVE = "Programs API: join", "Programs API: leave"
COMMAND = "command: bulk_enroll"
PASTE, PASTE_JOIN = "admin: paste to enroll", "admin: paste to join"
FORM, PROGRAM_FORM = "admin: session form", "admin: program session form"

# How many of a thousand attempts. Most want a seat, and few give one back: so most sessions are full most of the time.
# A page of the admin is ten times the work of a call of an API.
MIX = {
    ENROLL: 480,
    CANCEL: 60,
    PATCH: 60,
    JOIN: 300,
    LEAVE: 50,
    COMMAND: 35,
    PASTE: 4,
    PASTE_JOIN: 3,
    FORM: 4,
    PROGRAM_FORM: 4,
}
# What may be answered, when nothing is wrong but that there is no seat. A page is shown again with the refusal in it, or
# left; a command has done all, nothing, or refused some.
ANSWERS = {
    ENROLL: {201, 422},
    CANCEL: {200},
    PATCH: {200, 422},
    JOIN: {200, 422},
    LEAVE: {200},
    COMMAND: {0, 1, 2},
    PASTE: {200},
    PASTE_JOIN: {200},
    FORM: {200, 302},
    PROGRAM_FORM: {200, 302},
}
BUSY_STATUS = 503  # Of the APIs.
# Where the OpenAPI documents describe the calls.
OPERATIONS = {
    ENROLL: ("training", "/api/v1/training/enrollments", "post"),
    CANCEL: ("training", "/api/v1/training/enrollments/{id}/cancel", "patch"),
    PATCH: ("training", "/api/v1/training/sessions/{id}", "patch"),
    JOIN: ("programs", "/api/v1/programs/sessions/{hex_id}/users/{user}", "put"),
    LEAVE: ("programs", "/api/v1/programs/sessions/{hex_id}/users/{user}", "delete"),
}
FAILED = -1
BUSY = describe(Busy())


@dataclass(frozen=True)
class Answer:
    """`status` is HTTP's, or a command's exit status, FAILED where it did not even sum up. `enrolled`: people whom it
    says it has given a seat in a session. `busy`: the lock could not be had in time, and it says so.
    """

    entrance: str
    status: int
    busy: bool = False
    enrolled: int = 0
    said: str = ""


class Rival:
    """One process's clients, and what they try."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.api = api_client(scene.secret)
        self.browser = browser(scene.login)
        self.ways: dict[str, Callable[[Group], Answer]] = {
            ENROLL: self.enroll,
            CANCEL: self.cancel,
            PATCH: self.change_capacity,
            JOIN: self.join,
            LEAVE: self.leave,
            COMMAND: self.bulk_enroll,
            PASTE: self.paste,
            FORM: lambda group: self.save_form(FORM, self.one(group.sessions)),
            PASTE_JOIN: self.paste_join,
            PROGRAM_FORM: lambda group: self.save_form(PROGRAM_FORM, self.one(group.programs)),
        }

    def attempt(self, number: int, group: Group) -> Answer:
        """What is tried follows from the number alone."""
        self.random = random.Random(number)
        (way,) = self.random.choices(list(MIX), list(MIX.values()))
        return self.ways[way](group)

    def warm_up(self, group: Group) -> None:
        """Go every way once."""
        self.random = random.Random(0)
        for way in self.ways.values():
            way(group)

    def one(self, places: Sequence[Place]) -> Place:
        return self.random.choice(places)

    def some(self, most: int) -> list[Who]:
        return self.random.sample(self.scene.people, self.random.randint(1, most))

    def near(self, place: Place, *, now: int | None = None) -> int:
        """A capacity about the first one, and another than there is now."""
        return self.random.choice(
            [seats for seats in (place.capacity - 1, place.capacity, place.capacity + 1) if seats > 0 and seats != now]
        )

    # The Training API.

    def enroll(self, group: Group) -> Answer:
        body = {"session_id": self.one(group.sessions).pk, "employee_ids": [who.pk for who in self.some(2)]}
        reply = self.api.call("POST", "/api/v1/training/enrollments", json.dumps(body).encode())
        enrolled = json.loads(reply.body)["data"]["enrolled_count"] if reply.status == 201 else 0
        return of_api(ENROLL, reply, enrolled)

    def cancel(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        rows = Enrollment.objects.filter(session_id=session.pk, status=EnrollmentStatus.ENROLLED)
        ids = list(rows.values_list("pk", flat=True))
        if not ids:
            return self.enroll(group)
        return of_api(CANCEL, self.api.call("PATCH", f"/api/v1/training/enrollments/{self.random.choice(ids)}/cancel"))

    def change_capacity(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        body = json.dumps({"max_participants": self.near(session)}).encode()
        return of_api(PATCH, self.api.call("PATCH", f"/api/v1/training/sessions/{session.pk}", body))

    # The Programs API.

    def join(self, group: Group) -> Answer:
        (who,) = self.some(1)
        return of_api(JOIN, self.api.call("PUT", self.member(self.one(group.programs), who.hex_id)))

    def leave(self, group: Group) -> Answer:
        program = self.one(group.programs)
        members = ProgramMember.objects.current().filter(session_id=program.pk)
        ids = list(members.values_list("person__hex_id", flat=True))
        if not ids:
            return self.join(group)
        return of_api(LEAVE, self.api.call("DELETE", self.member(program, self.random.choice(ids))))

    @staticmethod
    def member(program: Place, user: str) -> str:
        return f"/api/v1/programs/sessions/{program.hex_id}/users/{user}"

    # The command.

    def bulk_enroll(self, group: Group) -> Answer:
        out, said, status = io.StringIO(), "", 0
        given: dict[str, Any] = {
            "organization": self.scene.slug,
            "session": str(self.one(group.sessions).pk),
            "employees": ",".join(who.employee_id for who in self.some(5)),
            "on_full": self.random.choice(["fail", "partial"]),
        }
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                call_command("bulk_enroll", json=True, stdout=out, **given)
        except SystemExit as left:
            status = int(left.code or 0)
        except CommandError as error:
            status, said = error.returncode, str(error)
        except Exception as error:  # noqa: BLE001 - what is a 500 over HTTP: nobody may be told that, but in the control
            return Answer(COMMAND, FAILED, said=repr(error))
        summary = json.loads(out.getvalue()) if out.getvalue() else None
        if summary is None:
            return Answer(COMMAND, 1 if said == BUSY else FAILED, busy=said == BUSY, said=said)
        return Answer(COMMAND, status, enrolled=summary["counts"].get("enrolled", 0), said=said)

    # The admin.

    def paste(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        reply = self.browser.post(f"{ADDRESSES[SESSION]}/{session.pk}/enroll/", self.pasted())
        told = re.search(r"\b(\d+) (?:person|people) enrolled\b", reply.body.decode())
        return of_page(PASTE, reply, enrolled=int(told[1]) if told else 0)

    def paste_join(self, group: Group) -> Answer:
        program = self.one(group.programs)
        return of_page(PASTE_JOIN, self.browser.post(f"{ADDRESSES[program.model]}/{program.pk}/join/", self.pasted()))

    def pasted(self) -> dict[str, str]:
        numbers = " ".join(who.employee_id for who in self.some(5))
        return {"numbers": numbers, **({"fit": "on"} if self.random.random() < 0.5 else {})}

    def save_form(self, entrance: str, place: Place) -> Answer:
        """Of a page that was opened a moment ago: what it showed then decides what counts as changed."""
        rows: Any = (Session if place.model == SESSION else ProgramSession).objects
        name = LIMITS[place.model]
        shown: int = rows.values_list(name, flat=True).get(pk=place.pk)
        typed = {**self.scene.forms[place.model], f"initial-{name}": shown, name: self.near(place, now=shown)}
        return of_page(entrance, self.browser.post(f"{ADDRESSES[place.model]}/{place.pk}/change/", typed))


def of_api(entrance: str, reply: Reply, enrolled: int = 0) -> Answer:
    busy = reply.status == BUSY_STATUS and reply.headers.get("Retry-After") == "1" and BUSY.encode() in reply.body
    return Answer(entrance, reply.status, busy=busy, enrolled=enrolled, said=reply.body[:500].decode(errors="replace"))


def of_page(entrance: str, reply: Reply, *, enrolled: int = 0) -> Answer:
    """A page that is busy says so, and is shown again."""
    return Answer(
        entrance,
        reply.status,
        busy=BUSY.encode() in reply.body,
        enrolled=enrolled,
        said=reply.headers.get("Location", ""),
    )


def undocumented(client: Client) -> set[tuple[str, int]]:
    """What of ANSWERS and BUSY_STATUS the OpenAPI documents do not name: nothing, if the documents are true."""
    documents = {
        family: json.loads(client.call("GET", f"/api/schema/{family}").body)["paths"]
        for family in {family for family, _, _ in OPERATIONS.values()}
    }
    return {
        (entrance, status)
        for entrance, (family, path, method) in OPERATIONS.items()
        for status in ANSWERS[entrance] | {BUSY_STATUS}
        if str(status) not in documents[family][path][method]["responses"]
    }
