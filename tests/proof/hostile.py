"""Hostile input at the real server: how it is refused, what it writes, how much memory it takes, whom it holds up."""

import csv
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import unescape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from openpyxl import load_workbook

from tests.config.wire import SHAPES, Server, read_answer
from tests.proof import access
from tests.proof.figures import Figure
from tests.proof.ground import Ground
from tests.proof.hostile_server import PASSWORD, Heard, Hosted, hosted

if TYPE_CHECKING:
    from tests.contracts.families import Family, Request
    from tests.hostile.inputs import Sent

CLIENTS = 4  # At a time: as many as the server has threads.
MEMORY = 256  # MB that the worker may take above what it had before: 64 for each thread.
SLOW = 200  # Clients.
WAIT = 15  # Seconds that anybody may wait beside slow clients, on a machine that does other things as well.
MOST_SECONDS, MOST_MEMORY = 2, 64  # Of CPU, and MB: for files that cost 4 s and 140 MB where nothing bounds them.
EVERY = 9  # Of the hostile values, one that the short form sends.
COSTLY = ("a row of 500,000 cells", "rows as wide as can be")
RUN_BY_SPREADSHEETS = ("=1+1", "@SUM(A1:A9)", "+cmd|' /C calc'!A0", "-2+3", "\t=1+1", "\r=1+1", "'=1+1")
IMPORTS = {"people": "accounts/person", "courses": "enrollments/course", "records": "training/trainsession"}


def addresses_of_the_admin() -> Figure:
    """On PostgreSQL, which refuses more than SQLite does."""
    with access.ready() as (folder, url):
        done = access.run(folder, url, ["tests/accounts/test_hostile_queries.py"], HOSTILE_WHOLE="1")
    return Figure(
        "No address of the admin fails at what is typed behind it, as a superuser or an administrator",
        f"{done.cells.total():,} asked: {done.passed} tests passed, {len(done.failed)} failed",
        done.cells.total() > 0 and not done.failed,
        brief=f"nonsense behind addresses of the admin {done.cells.total():,}, {len(done.failed)} tests failed",
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
        careless = ("-k", "tests.hostile.careless.Worker")
        with hosted(folder, url, secret, email, *careless, MAX_BODY_BYTES="100000000") as at:
            yield from controls(at)


def fill() -> tuple[str, str]:
    """Rows, a token's secret, and the mail of an administrator."""
    from tests.conftest import api_of  # noqa: PLC0415 - once Django is set up
    from tests.contracts.scene import OWN, populate  # noqa: PLC0415 - as above
    from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, UserFactory  # noqa: PLC0415 - as above
    from training.models import TrainSession  # noqa: PLC0415 - as above

    organization = OrganizationFactory.create()
    populate(organization, OWN, "OWN")
    for number, text in enumerate(RUN_BY_SPREADSHEETS):
        begins = f"{text} {number}"
        person = PersonFactory.create(organization=organization, employee_id=begins, first_name=text, last_name=text)
        course = CourseFactory.create(organization=organization, code=begins, title=text)
        TrainSession.objects.create(
            organization=organization, person=person, course=course, created_by="system", updated_by="system"
        )
    user = UserFactory.create(organization=organization, password=PASSWORD)
    return api_of(organization).secret, user.email


def refused(at: Hosted, *, short: bool) -> Iterator[Figure]:
    from tests.contracts.families import FAMILIES  # noqa: PLC0415 - once Django is set up
    from tests.contracts.scene import OWN, everything  # noqa: PLC0415 - as above
    from tests.hostile.inputs import hostile  # noqa: PLC0415 - as above

    writes = [
        (family, request)
        for family in FAMILIES
        for request in ([family.write] if short else [one for one in family.routes if one.writes])
    ]
    sent = [
        one
        for family, document in documents(at)
        for request in family.routes
        for one in hostile(family, document, request, OWN)
    ]
    at.log_in()
    for address in IMPORTS.values():
        at.ask("GET", f"/admin/{address}/import/", headers={"Cookie": at.cookies})
    before, memory = everything(), at.forget_peak()
    yield bodies(at, writes).figure("Hostile bodies at every write: a 4xx in the family's own words", "bodies")
    yield values(at, sent[::EVERY] if short else sent).figure(
        "Hostile values under every key of every body and in every part of every address: a 4xx in the family's own words",
        "values",
    )
    yield addresses(at).figure("A certificate's address that is none of the web is refused", "addresses")
    yield files(at, list(IMPORTS)[: 1 if short else 3]).figure(
        "Hostile files at every import: a 4xx, said on the form", "files"
    )
    peak = at.peak()
    yield Figure(
        f"The worker's memory grows by less than {MEMORY} MB meanwhile",
        f"{memory:.0f} MB before, {peak:.0f} MB at most, {CLIENTS} clients at a time",
        peak - memory < MEMORY,
        brief=f"memory {memory:.0f} MB before, {peak:.0f} MB at most",
    )
    yield Figure("Nothing of it is written", "all rows of all tables compared", everything() == before)
    yield costly(at)
    yield exports(at)
    yield what_is_right(at)


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


def documents(at: Hosted) -> "list[tuple[Family, Any]]":
    from tests.contracts.families import FAMILIES  # noqa: PLC0415 - once Django is set up

    return [(family, at.ask("GET", f"/api/schema/{family.name}").json) for family in FAMILIES]


def values(at: Hosted, hostile: "list[Sent]") -> Tally:
    tally = Tally()

    def send(one: "Sent") -> None:
        heard = at.api(one.request.method, one.target, one.body, bare=one.alone)
        tally.add(one.name, heard, right=one.is_refused(heard.status, heard.body))

    all_at_once((lambda one=one: send(one)) for one in hostile)
    return tally


def addresses(at: Hosted) -> Tally:
    from tests.hostile.table import NO_ADDRESSES  # noqa: PLC0415 - once Django is set up

    tally = Tally()
    for address in NO_ADDRESSES:
        heard, right = certified(at, address)
        tally.add(address[:40], heard, right=right)
    return tally


def certified(at: Hosted, address: str) -> tuple[Heard, bool]:
    """What a completion with the certificate is answered, and whether that is a refusal of its address."""
    from tests.contracts.scene import OWN  # noqa: PLC0415 - once Django is set up

    path = f"/api/v1/training/enrollments/{OWN['enrollment']}/complete"
    heard = at.api("PATCH", path, json.dumps({"score": 90, "certificate_url": address}).encode())
    return heard, heard.status == 422 and list(heard.json["errors"]) == ["certificate_url"]


def files(at: Hosted, kinds: list[str]) -> Tally:
    from tests.hostile.files import FILES  # noqa: PLC0415 - once Django is set up

    tally = Tally()

    def send(kind: str, what: str) -> None:
        heard, right = uploaded(at, kind, what)
        tally.add(f"{kind} {what}", heard, right=right)

    all_at_once((lambda kind=kind, what=what: send(kind, what)) for kind in kinds for what in FILES)
    return tally


def uploaded(at: Hosted, kind: str, what: str) -> tuple[Heard, bool]:
    """What a hostile file is answered, and whether that is its refusal."""
    from tests.accounts.sent_files import IMPORTS as DECLARED  # noqa: PLC0415 - once Django is set up
    from tests.hostile.files import FILES, status_of  # noqa: PLC0415 - as above

    name, make, said = FILES[what]
    columns = DECLARED[kind].columns
    heard = at.upload(f"/admin/{IMPORTS[kind]}/import/", name, make([columns.keys[0], *columns.required]))
    words = re.sub(r"\s+", " ", unescape(heard.body.decode()))
    return heard, heard.status == status_of(said) and said.format(name) in words


def costly(at: Hosted) -> Figure:
    """One after another, so that the CPU's time is theirs."""
    memory, seconds = at.forget_peak(), at.seconds
    right = [uploaded(at, "people", what)[1] for what in COSTLY]
    seconds, memory = at.seconds - seconds, at.peak() - memory
    counted = f"{seconds:.1f} s and {memory:.0f} MB for {len(COSTLY)} files"
    return Figure(
        f"Workbooks that grow as they are read cost less than {MOST_SECONDS} s of CPU and {MOST_MEMORY} MB",
        counted,
        all(right) and seconds < MOST_SECONDS and memory < MOST_MEMORY,
        brief=f"costly workbooks {counted}",
    )


# Texts that a spreadsheet would run.


def exports(at: Hosted) -> Figure:
    """Stored as they are, and in each export behind a quote."""
    wrong, kept = [], 0
    for kind, address in IMPORTS.items():
        for form in ("csv", "xlsx"):
            heard = at.ask("GET", f"/admin/{address}/export/{form}/", headers={"Cookie": at.cookies})
            cells = cells_of(heard.body, form) if heard.status == 200 else []
            texts = [
                text.replace("\r", "\n") if form == "xlsx" else text for text in RUN_BY_SPREADSHEETS
            ]  # XML has one end of lines.
            missing = [text for text in texts if not any(cell.startswith(f"'{text}") for cell in cells)]
            kept += len(texts) - len(missing)
            wrong += [f"{kind}.{form}: {text!r}" for text in [*missing, *(cell for cell in cells if would_run(cell))]]
    said = f"; not as they should be: {'; '.join(wrong[:3])}" if wrong else ""
    counted = f"{kept} texts in {2 * len(IMPORTS)} exports, {len(wrong)} that would run or are not there"
    return Figure(
        "Stored texts that a spreadsheet would run come behind a quote in each export",
        counted + said,
        bool(kept) and not wrong,
        brief=f"exports {counted}",
    )


def cells_of(content: bytes, form: str) -> list[str]:
    if form == "csv":
        return [cell for row in csv.reader(StringIO(content.decode("utf-8-sig"), newline="")) for cell in row]
    rows = load_workbook(BytesIO(content)).worksheets[0].iter_rows()
    # What openpyxl takes for a formula, spreadsheets do.
    return [f"={cell.value}" if cell.data_type == "f" else str(cell.value or "") for row in rows for cell in row]


def would_run(cell: str) -> bool:
    """By itself: nothing of the ledger is asked."""
    if cell.startswith(("=", "@", "\t", "\r")):
        return True
    return cell.startswith(("+", "-")) and re.fullmatch(r"[+-]?[0-9.,]*", cell) is None


# Controls.


def what_is_right(at: Hosted) -> Figure:
    """Last: it is done."""
    from tests.contracts.scene import OWN  # noqa: PLC0415 - once Django is set up
    from tests.hostile.inputs import Sent  # noqa: PLC0415 - as above

    reads = [
        Sent(family, request, "", "nothing", request.target(OWN), b"")
        for family, _ in documents(at)
        for request in family.routes
        if not request.writes
    ]
    unrefused = [
        *values(at, reads).wrong,
        *(heard.status for heard, refused in [certified(at, "https://example.com/x")] if not refused),
    ]
    counted = f"{len(unrefused)} of {len(reads) + 1}"
    return Figure(
        "Control: requests without anything hostile are not taken for refused ones",
        counted,
        len(unrefused) == len(reads) + 1,
        brief=f"harmless requests told apart: {counted}",
    )


def controls(at: Hosted) -> Iterator[Figure]:
    """At a server that takes no care."""
    at.log_in()
    at.ask("GET", f"/admin/{IMPORTS['people']}/import/", headers={"Cookie": at.cookies})
    yield bodies_of_any_size(at)
    for claim, name, found in (
        ("a server that reads workbooks without bounds is", "without bounds", costly(at)),
        ("a server whose exports quote nothing is", "unquoted", exports(at)),
        ("slow clients at gunicorn's own worker are", "gunicorn's own worker", slow(at.server)),
    ):
        yield Figure(f"Control: {claim} caught", found.counted, not found.holds, brief=f"{name}: {found.brief}")


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
