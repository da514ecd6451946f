"""One attempt on a seat, by one of the ways in: what was tried, and how it was answered."""

import contextlib
import io
import json
import random
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Count

from accounts.errors import Busy
from accounts.wording import describe
from enrollments.models import Enrollment, EnrollmentStatus, Session
from programs.models import ProgramMember, ProgramSession
from tests.proof.seats_client import Client, Reply, api_client, browser
from tests.proof.seats_history import Held
from tests.proof.seats_scene import LIMITS, PAGES, PROGRAM, SESSION, Group, Place, Scene, Who
from tests.proof.seats_ways import (
    ADD,
    BUSY_STATUS,
    CANCEL,
    CANCEL_TICKED,
    COMMAND,
    DEACTIVATE,
    ENROLL,
    FORM,
    IN_ROW,
    JOIN,
    LEAVE,
    LEFT,
    PASTE,
    PASTE_JOIN,
    PATCH,
    PROGRAM_FORM,
    REMOVE,
    WAYS,
)

KEYED = 0.1
"""Of the calls of the APIs, so many bear an idempotency key. What was done is then asked for once more."""
TRIES = 5
MOST_SEATS = 4  # Of so many people, those with the most seats, one is made inactive.
FAILED = -1
DONE = {200, 201}  # Of the APIs.
PEOPLE = "(?:person|people)"
ENROLLMENTS = "enrollments/enrollment"
BUSY = describe(Busy())


@dataclass(frozen=True)
class Answer:
    """`status` is HTTP's, or a command's exit status, FAILED where it did not even sum up. `told`: how many seats it
    says it has given, or given back; `named`: whose, where the call names them. `busy`: the lock could not be had in
    time, and it says so. `again`: it was asked for twice under one idempotency key.
    """

    way: str
    status: int
    busy: bool = False
    told: int = 0
    named: tuple[Held, ...] = ()
    again: bool = False
    said: str = ""


class Rival:
    """One process's clients, and what they try."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.apis = {way: api_client(secret) for way, secret in scene.secrets.items()}
        self.browsers = {way: browser(login) for way, login in scene.logins.items()}
        self.ways: dict[str, Callable[[Group], Answer]] = {
            ENROLL: self.enroll,
            CANCEL: self.cancel,
            PATCH: self.change_capacity,
            JOIN: self.join,
            LEAVE: self.leave,
            COMMAND: self.bulk_enroll,
            PASTE: self.paste,
            PASTE_JOIN: self.paste_join,
            ADD: self.add,
            CANCEL_TICKED: self.cancel_ticked,
            REMOVE: self.remove,
            DEACTIVATE: self.deactivate,
            FORM: lambda group: self.save_form(FORM, self.one(group.sessions)),
            PROGRAM_FORM: lambda group: self.save_form(PROGRAM_FORM, self.one(group.programs)),
        }

    def attempt(self, number: int, group: Group) -> Answer:
        """What is tried follows from the number alone."""
        self.random = random.Random(number)
        (way,) = self.random.choices(list(WAYS), [way.share for way in WAYS.values()])
        return self.ways[DEACTIVATE if number % 1_000 in IN_ROW else way](group)

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

    def call(self, way: str, method: str, path: str, body: bytes = b"") -> tuple[Reply, bool]:
        """The answer, and whether it was asked for again: which must be answered the same, and do nothing."""
        client = self.apis[way]
        if self.random.random() >= KEYED:
            return client.call(method, path, body), False
        key = str(uuid.uuid4())
        reply = client.call(method, path, body, idempotency_key=key)
        if reply.status not in DONE:
            return reply, False
        again = client.call(method, path, body, idempotency_key=key)
        if (again.status, again.body) == (reply.status, reply.body):
            return reply, True
        return Reply(FAILED, {}, b"%d, and then %d: %b" % (reply.status, again.status, again.body)), True

    # The Training API.

    def enroll(self, group: Group) -> Answer:
        session, people = self.one(group.sessions), self.some(2)
        body = {"session_id": session.pk, "employee_ids": [who.pk for who in people]}
        reply, again = self.call(ENROLL, "POST", "/api/v1/training/enrollments", json.dumps(body).encode())
        told = json.loads(reply.body)["data"]["enrolled_count"] if reply.status in DONE else 0
        return of_api(ENROLL, reply, *(who.pk for who in people), place=session, told=told, again=again)

    def cancel(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        rows = Enrollment.objects.filter(session_id=session.pk, status=EnrollmentStatus.ENROLLED)
        found = list(rows.values_list("pk", "person_id"))
        if not found:
            return self.enroll(group)
        pk, person = self.random.choice(found)
        reply, again = self.call(CANCEL, "PATCH", f"/api/v1/training/enrollments/{pk}/cancel")
        return of_api(CANCEL, reply, person, place=session, again=again)

    def change_capacity(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        body = json.dumps({"max_participants": self.near(session)}).encode()
        reply, again = self.call(PATCH, "PATCH", f"/api/v1/training/sessions/{session.pk}", body)
        return of_api(PATCH, reply, place=session, again=again)

    # The Programs API.

    def join(self, group: Group) -> Answer:
        (who,), program = self.some(1), self.one(group.programs)
        reply, again = self.call(JOIN, "PUT", self.member(program, who.hex_id))
        return of_api(JOIN, reply, who.pk, place=program, again=again)

    def leave(self, group: Group) -> Answer:
        program = self.one(group.programs)
        members = ProgramMember.objects.current().filter(session_id=program.pk)
        found = list(members.values_list("person_id", "person__hex_id"))
        if not found:
            return self.join(group)
        person, hex_id = self.random.choice(found)
        reply, again = self.call(LEAVE, "DELETE", self.member(program, hex_id))
        return of_api(LEAVE, reply, person, place=program, again=again)

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
            "staff": self.scene.staff[COMMAND],
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
        return Answer(COMMAND, status, told=summary["counts"].get("enrolled", 0), said=said)

    # The admin.

    def post(self, way: str, page: str, fields: Mapping[str, Any], told: str = "") -> Answer:
        """`told`: how the page, or the message it leaves behind, says how many seats were given or given back."""
        reply = self.browsers[way].post(f"/admin/{page}/", fields)
        said = reply.messages or reply.body.decode()
        found = re.search(told, said) if told else None
        return Answer(
            way,
            reply.status,
            busy=BUSY in said,
            told=int(found[1]) if found else 0,
            said=reply.messages or reply.headers.get("Location", ""),
        )

    def paste(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        return self.post(PASTE, f"{PAGES[SESSION]}/{session.pk}/enroll", self.pasted(), rf"\b(\d+) {PEOPLE} enrolled\b")

    def paste_join(self, group: Group) -> Answer:
        program = self.one(group.programs)
        return self.post(PASTE_JOIN, f"{PAGES[PROGRAM]}/{program.pk}/join", self.pasted(), rf"\b(\d+) {PEOPLE} added\b")

    def pasted(self) -> dict[str, str]:
        numbers = " ".join(who.employee_id for who in self.some(5))
        return {"numbers": numbers, **({"fit": "on"} if self.random.random() < 0.5 else {})}

    def add(self, group: Group) -> Answer:
        session, people = self.one(group.sessions), [who.pk for who in self.some(2)]
        typed = {"session": session.pk, "people": people, "_save": "Save"}
        answer = self.post(ADD, f"{ENROLLMENTS}/add", typed, rf"\b(\d+) {PEOPLE} enrolled in\b")
        return replace(answer, named=held(ADD, session, people)) if answer.status == LEFT else answer

    def cancel_ticked(self, group: Group) -> Answer:
        session = self.one(group.sessions)
        rows = Enrollment.objects.filter(session_id=session.pk, status=EnrollmentStatus.ENROLLED)
        ticked = self.few(rows.values_list("pk", flat=True))
        if not ticked:
            return self.add(group)
        return self.post(CANCEL_TICKED, ENROLLMENTS, {"action": "cancel", "_selected_action": ticked, "index": 0})

    def remove(self, group: Group) -> Answer:
        program = self.one(group.programs)
        ticked = self.few(ProgramMember.objects.current().filter(session_id=program.pk).values_list("pk", flat=True))
        if not ticked:
            return self.paste_join(group)
        typed = {"member": ticked, "apply": "1"}
        return self.post(REMOVE, f"{PAGES[PROGRAM]}/{program.pk}/remove", typed, rf"\b(\d+) {PEOPLE} removed\b")

    def few(self, ids: Iterable[int]) -> list[int]:
        found = list(ids)
        return self.random.sample(found, min(len(found), self.random.randint(1, 2)))

    def deactivate(self, group: Group) -> Answer:
        """Somebody with many seats, in whatever sessions; and active again, to want others. Between the two others may
        be refused for it.
        """
        seats = Enrollment.objects.filter(
            person__in=[who.pk for who in self.scene.people], status=EnrollmentStatus.ENROLLED
        )
        counted = seats.values_list("person_id").annotate(seats=Count("pk")).order_by("-seats", "person_id")
        people = [person for person, _ in counted[:MOST_SEATS]]
        if not people:
            return self.enroll(group)
        person = self.random.choice(people)
        typed = {"reason": "Left", "cancel_seats": "on"}
        answer = self.post(DEACTIVATE, f"accounts/person/{person}/leave", typed, r"\b(\d+) seats? cancelled\b")
        address, active = f"/api/v1/training/employees/{person}", json.dumps({"active": True}).encode()
        for _ in range(TRIES):
            reply = self.apis[DEACTIVATE].call("PATCH", address, active)
            if reply.status in DONE:
                return answer
        return Answer(DEACTIVATE, FAILED, said=f"{person} stays inactive: {reply.status}")

    def save_form(self, way: str, place: Place) -> Answer:
        """Of a page that was opened a moment ago: what it showed then decides what counts as changed."""
        rows: Any = (Session if place.model == SESSION else ProgramSession).objects
        name = LIMITS[place.model]
        shown: int = rows.values_list(name, flat=True).get(pk=place.pk)
        typed = {**self.scene.forms[place.model], f"initial-{name}": shown, name: self.near(place, now=shown)}
        return self.post(way, f"{PAGES[place.model]}/{place.pk}/change", typed)


def held(way: str, place: Place, people: Iterable[int]) -> tuple[Held, ...]:
    """Of ways that have one effect."""
    (effect,) = WAYS[way].effects
    return tuple((way, effect, (place.model, place.pk), person) for person in people)


def of_api(way: str, reply: Reply, *people: int, place: Place, told: int = 0, again: bool = False) -> Answer:
    return Answer(
        way,
        reply.status,
        busy=reply.status == BUSY_STATUS and reply.headers.get("Retry-After") == "1" and BUSY.encode() in reply.body,
        told=told,
        named=held(way, place, people) if people and reply.status in DONE else (),
        again=again,
        said=reply.body[:500].decode(errors="replace"),
    )


def undocumented(client: Client) -> set[tuple[str, int]]:
    """What of the ways' answers and BUSY_STATUS the OpenAPI documents do not name: nothing, if they are true."""
    described = {way: (one.operation, one.answers) for way, one in WAYS.items() if one.operation}
    documents = {
        family: json.loads(client.call("GET", f"/api/schema/{family}").body)["paths"]
        for family in {family for (family, _, _), _ in described.values()}
    }
    return {
        (way, status)
        for way, ((family, path, method), answers) in described.items()
        for status in answers | {BUSY_STATUS}
        if str(status) not in documents[family][path][method]["responses"]
    }
