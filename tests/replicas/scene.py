"""Rows for the tests, made on the primary by a process of its own, and the callers who ask for them."""

import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.config.wire import PATIENCE, ROOT, Server, environment
from tests.replicas.cluster import Cluster

MAKE = "import django; django.setup(); from tests.replicas.scene import make; make()"
RECORDS = 2_200  # More than a chunk of a streamed list.


def make() -> None:
    from django.core.management import call_command  # noqa: PLC0415 - models can be imported once Django is set up

    from accounts.models import Person  # noqa: PLC0415
    from accounts.scopes import Scope  # noqa: PLC0415
    from accounts.services.tokens import create_token  # noqa: PLC0415
    from tests.acts import ACTOR  # noqa: PLC0415
    from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, ProgramSessionFactory  # noqa: PLC0415
    from training.services import records  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    organization = OrganizationFactory.create()
    courses = [CourseFactory.create(organization=organization, code=f"C{number}") for number in range(6)]
    people = [PersonFactory.create(organization=organization) for _ in range(40)]
    ProgramSessionFactory.create(organization=organization)
    others = Person.objects.bulk_create(
        Person(organization=organization, employee_id=f"E{number}", first_name="Ada", search_name="ada")
        for number in range(RECORDS)
    )
    record, *_ = records.assign(
        organization=organization, actor=ACTOR, course_id=courses[0].pk, person_ids=[one.pk for one in others]
    )
    secrets = [
        create_token(organization=organization, actor=ACTOR, name=name, scopes=Scope.values)[1]
        for name in ("writer", "reader", "leaver")
    ]
    shown = {
        "writer": secrets[0],
        "reader": secrets[1],
        "leaver": secrets[2],
        "record": record.record.pk,
        "courses": [str(course.uuid) for course in courses],
        "learners": [f"{person.kind}-{person.pk}" for person in people],
    }
    sys.stdout.write(json.dumps(shown))


def made(folder: Path, cluster: Cluster) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MAKE],
        cwd=ROOT,
        env=environment(folder, DATABASE_URL=cluster.primary.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows: dict[str, Any] = json.loads(done.stdout)
    return rows


@dataclass
class Caller:
    """Whoever holds a token."""

    server: Server
    secret: str

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **query: object) -> Any:
        return json.loads(self.body(path, **query))

    def body(self, path: str, **query: object) -> bytes:
        status, body = self.ask("GET", f"{path}?{urlencode(query)}" if query else path)
        assert status == 200, body
        return body

    def write(self, method: str, path: str, body: object = None) -> None:
        status, answer = self.ask(method, path, body)
        assert status in {200, 201, 204}, answer


@dataclass
class Stage:
    """A server over a cluster, and two callers of one organization."""

    cluster: Cluster
    server: Server
    rows: dict[str, Any]

    @property
    def writer(self) -> Caller:
        return Caller(self.server, self.rows["writer"])

    @property
    def reader(self) -> Caller:
        return Caller(self.server, self.rows["reader"])

    @property
    def record(self) -> str:
        return f"/api/train_sessions/{self.rows['record']}"

    def percent(self, caller: Caller) -> int:
        found: int = caller.get(self.record)["percent_complete"]
        return found

    def advance(self) -> int:
        """The writer says how far the record is: one percent further than it was."""
        percent: int = 1 + self.cluster.primary.ask(
            "SELECT percent::int FROM training_trainsession WHERE id = %s", self.rows["record"]
        )
        self.writer.write("PATCH", self.record, {"percent_complete": percent})
        return percent

    def readyz(self) -> tuple[int, dict[str, Any]]:
        answer = self.server.get("/readyz")
        return answer.status, json.loads(answer.body)
