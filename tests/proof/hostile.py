"""Hostile input at the real server: how it is refused, what it writes, how much memory it takes, whom it holds up."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING, Any

from tests.config.wire import SHAPES, Server, read_answer
from tests.proof import access
from tests.proof.figures import Figure
from tests.proof.ground import Ground
from tests.proof.hostile_server import PASSWORD, Heard, Hosted, hosted

if TYPE_CHECKING:
    from tests.contracts.families import Family, Request

CLIENTS = 4  # At a time: as many as the server has threads.
MEMORY = 256  # MB that the worker may take above what it had before: 64 for each thread.
SLOW = 200  # Clients.
WAIT = 15  # Seconds that anybody may wait beside slow clients, on a machine that does other things as well.
IMPORTS = {"people": "accounts/person", "courses": "enrollments/course", "records": "training/trainsession"}


def addresses_of_the_admin() -> Figure:
    """On PostgreSQL, which refuses more than SQLite does."""
    with access.ready() as (folder, url):
        done = access.run(folder, url, ["tests/accounts/test_hostile_queries.py"], HOSTILE_WHOLE="1")
    return Figure(
        "No address of the admin fails at what is typed behind it, as a superuser or an administrator",
        f"{done.passed} tests passed, {len(done.failed)} failed",
        done.passed > 0 and not done.failed,
        brief=f"{done.passed} pages of the admin asked nonsense: {len(done.failed)} failed",
    )


@dataclass
class Tally:
    """What was answered, and what of it was not what it should be."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, what: str, heard: Heard, *, right: bool) -> None:
        self.statuses[heard.status] += 1
        if not right:
            self.wrong.append(f"{what}: {heard.status} {heard.body[:200]!r}")

    def figure(self, claim: str, name: str) -> Figure:
        counted = ", ".join(f"{count:,} x {status}" for status, count in sorted(self.statuses.items()))
        wrong = f"; not as they should be: {'; '.join(self.wrong[:3])}" if self.wrong else ""
        return Figure(
            claim,
            f"{self.statuses.total():,} requests: {counted}{wrong}",
            bool(self.statuses) and not self.wrong,
            brief=f"{name} {self.statuses.total():,}, {len(self.wrong)} not refused as they should be",
        )


def prove(ground: Ground) -> Iterable[Figure]:
    with ground.django() as url, ground.folder() as folder:
        secret, email = fill()
        with hosted(folder, url, secret, email) as at:
            yield from refused(at, short=ground.short)
            yield slow(at.server)
            if not ground.short:
                yield late(at.server)
                yield addresses_of_the_admin()
        with hosted(folder, url, secret, email, "-k", "gthread", MAX_BODY_BYTES="100000000") as at:
            yield bodies_of_any_size(at)
            held = slow(at.server)
            claim = "Control: slow clients at gunicorn's own worker are caught"
            yield Figure(claim, held.counted, not held.holds, brief=f"gunicorn's own worker {held.brief}")


def fill() -> tuple[str, str]:
    """Rows, a token's secret, and the mail of an administrator."""
    from tests.conftest import api_of  # noqa: PLC0415 - once Django is set up
    from tests.contracts.scene import OWN, populate  # noqa: PLC0415 - as above
    from tests.factories import OrganizationFactory, UserFactory  # noqa: PLC0415 - as above

    organization = OrganizationFactory.create()
    populate(organization, OWN, "OWN")
    user = UserFactory.create(organization=organization, password=PASSWORD)
    return api_of(organization).secret, user.email


def refused(at: Hosted, *, short: bool) -> Iterator[Figure]:
    from tests.contracts.families import FAMILIES  # noqa: PLC0415 - once Django is set up
    from tests.contracts.scene import everything  # noqa: PLC0415 - as above

    writes = [
        (family, request)
        for family in FAMILIES
        for request in ([family.write] if short else [one for one in family.routes if one.writes])
    ]
    at.log_in()
    for address in IMPORTS.values():
        at.ask("GET", f"/admin/{address}/import/", headers={"Cookie": at.cookies})
    before, memory = everything(), at.forget_peak()
    yield bodies(at, writes).figure("Hostile bodies at every write: a 4xx in the family's own words", "bodies")
    yield values(at, writes).figure(
        "Hostile values under every key of every write: a 4xx in the family's own words", "values"
    )
    yield addresses(at).figure("A certificate's address that is none of the web is refused", "addresses")
    yield files(at, list(IMPORTS)[: 1 if short else 3]).figure(
        "Hostile files at every import: said on the form", "files"
    )
    peak = at.peak()
    yield Figure(
        f"The worker's memory grows by less than {MEMORY} MB meanwhile",
        f"{memory:.0f} MB before, {peak:.0f} MB at most, {CLIENTS} clients at a time",
        peak - memory < MEMORY,
        brief=f"memory {memory:.0f} MB before, {peak:.0f} MB at most",
    )
    yield Figure("Nothing of it is written", "all rows of all tables compared", everything() == before)


def all_at_once(calls: Iterable[Any]) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


def same(family: "Family", said: Any, heard: Heard) -> bool:
    """Whether it is the family's own answer, whole."""
    from tests.contracts.families import THE_REQUEST_ID  # noqa: PLC0415 - once Django is set up
    from tests.contracts.scene import expected  # noqa: PLC0415 - as above

    shown = heard.json
    if shown.get("requestId") == heard.headers["X-Request-Id"]:
        shown["requestId"] = THE_REQUEST_ID
    return (heard.status, heard.headers["Content-Type"], shown) == expected(family, said)[:3]


def bodies(at: Hosted, writes: "list[tuple[Family, Request]]") -> Tally:
    from tests.contracts.scene import OWN  # noqa: PLC0415 - once Django is set up
    from tests.hostile.table import BODIES  # noqa: PLC0415 - as above

    tally = Tally()

    def send(family: "Family", request: "Request", what: str) -> None:
        make, headers, said = BODIES[what]
        heard = at.api(request.method, request.target(OWN), make(), headers)
        tally.add(f"{request.name} {what}", heard, right=same(family, said, heard))

    all_at_once(
        (lambda family=family, request=request, what=what: send(family, request, what))
        for family, request in writes
        for what in BODIES
    )
    return tally


def values(at: Hosted, writes: "list[tuple[Family, Request]]") -> Tally:
    from tests.contracts.families import Said  # noqa: PLC0415 - once Django is set up
    from tests.contracts.scene import OWN  # noqa: PLC0415 - as above
    from tests.hostile.table import VALUES, keys_in, with_value  # noqa: PLC0415 - as above

    tally = Tally()

    def send(family: "Family", request: "Request", key: str, what: str) -> None:
        body = request.body(OWN) if request.body else {}
        heard = at.api(request.method, request.target(OWN), with_value(body, key, VALUES[what]))
        shapes = [family.shape(Said(400, ["x"], code="x")), family.shape(Said(422, fields={key: ["x"]}))]
        own = heard.status in {400, 422} and set(heard.json) in [set(shape) for shape in shapes]
        tally.add(f"{request.name} {key} {what}", heard, right=own)

    def keys_of(request: "Request") -> list[str]:
        body = {**(request.body(OWN) if request.body else {}), "nonsense": 1}
        heard = at.api(request.method, request.target(OWN), json.dumps(body).encode())
        return keys_in(heard.body.decode())

    all_at_once(
        (lambda family=family, request=request, key=key, what=what: send(family, request, key, what))
        for family, request in writes
        for key in keys_of(request)
        for what in VALUES
    )
    return tally


def addresses(at: Hosted) -> Tally:
    from tests.contracts.scene import OWN  # noqa: PLC0415 - once Django is set up
    from tests.hostile.table import NO_ADDRESSES  # noqa: PLC0415 - as above

    tally = Tally()
    path = f"/api/v1/training/enrollments/{OWN['enrollment']}/complete"
    for address in NO_ADDRESSES:
        heard = at.api("PATCH", path, json.dumps({"score": 90, "certificate_url": address}).encode())
        tally.add(address[:40], heard, right=heard.status == 422 and list(heard.json["errors"]) == ["certificate_url"])
    return tally


def files(at: Hosted, kinds: list[str]) -> Tally:
    from tests.accounts.sent_files import IMPORTS as DECLARED  # noqa: PLC0415 - once Django is set up
    from tests.hostile.files import FILES  # noqa: PLC0415 - as above

    tally = Tally()

    def send(kind: str, what: str) -> None:
        name, make, said = FILES[what]
        columns = DECLARED[kind].columns
        content = make([columns.keys[0], *columns.required])
        heard = at.upload(f"/admin/{IMPORTS[kind]}/import/", name, content)
        words = re.sub(r"\s+", " ", unescape(heard.body.decode()))
        tally.add(f"{kind} {what}", heard, right=heard.status == 200 and said.format(name) in words)

    all_at_once((lambda kind=kind, what=what: send(kind, what)) for kind in kinds for what in FILES)
    return tally


# Slow clients.

PATH = "/api/train_sessions"
BEGINNINGS = (
    b"",
    f"GET {PATH} HT".encode(),
    f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n".encode(),
    f"POST {PATH}/unassign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{".encode(),
    f"POST {PATH}/unassign HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{".encode(),
)


def slow(server: Server) -> Figure:
    """Each sends a byte each second, while somebody asks for something."""
    longest, answered, asked = 0.0, 0, 10
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connection()) for _ in range(SLOW)]
        for number, client in enumerate(clients):
            client.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        for _ in range(asked):
            started = time.monotonic()
            with server.connection() as somebody:
                somebody.settimeout(WAIT)
                somebody.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                try:
                    answered += read_answer(somebody).status == 200
                except TimeoutError:
                    break
            longest = max(longest, time.monotonic() - started)
            for number, client in enumerate(clients):
                if BEGINNINGS[number % len(BEGINNINGS)]:
                    client.sendall(b"1")
            time.sleep(0.2)
    return Figure(
        f"{SLOW} slow clients (nothing, headers, bodies) hold nobody up for {WAIT} s",
        f"{answered} of {asked} others answered, the longest after {longest * 1000:.0f} ms",
        answered == asked,
        brief=f"beside {SLOW} slow clients {answered} of {asked} others answered",
    )


def late(server: Server) -> Figure:
    """With the server's own patience."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n"
    started = time.monotonic()
    answer = server.exchange(request.encode())
    said = SHAPES[PATH]("The request did not come to its end in time.", "", "")
    return Figure(
        "A request that does not come to its end is a 408 in the family's own words",
        f"{answer.status} after {time.monotonic() - started:.0f} s",
        (answer.status, json.loads(answer.body)) == (408, said),
        brief=f"an endless one is a {answer.status}",
    )


def bodies_of_any_size(at: Hosted) -> Figure:
    from tests.contracts.families import FAMILIES  # noqa: PLC0415 - once Django is set up

    tally = bodies(at, [(FAMILIES[0], FAMILIES[0].write)])
    return Figure(
        "Control: a server that takes bodies of any size is caught",
        f"{len(tally.wrong)} of {tally.statuses.total()} answers were not the table's",
        bool(tally.wrong),
        brief=f"bodies of any size: {len(tally.wrong)} wrong answers",
    )
