"""The product as a newcomer meets it: quickstart on an empty folder, the real server, each documented request by HTTP.

`python .ci/smoke.py`. On SQLite, or on the empty PostgreSQL database that DATABASE_URL names. Exits with 1 and one line at
the first thing that is not as documented.
"""

# ruff: noqa: INP001, S603 - a script beside the project, which starts the project's own processes

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # Seconds.
REFUSED = "Session is at capacity. Only 2 spots remaining. You requested 3 enrollments."
FEEDBACK = "John demonstrated strong leadership understanding throughout the course."


class Failed(Exception):  # noqa: N818 - what is printed says the rest
    pass


class Stay(HTTPRedirectHandler):
    """Redirects are answers here."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class Site:
    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = build_opener(Stay, HTTPCookieProcessor(CookieJar()))

    def send(
        self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        request = Request(f"{self.url}{path}", data=body, headers=headers or {}, method=method)  # noqa: S310 - our own
        try:
            with self.opener.open(request, timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def page(self, path: str, *words: str) -> str:
        status, text = self.send("GET", path)
        expect(f"GET {path}", status, 200)
        for word in words:
            expect(f"GET {path}: {word!r} in it", word in text, True)
        return text


class Caller:
    """A client of one family: its credential in its own form."""

    def __init__(self, site: Site, credential: str) -> None:
        self.site = site
        self.credential = credential

    def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        headers = {"Authorization": self.credential}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        got, text = self.site.send(method, path, body=data, headers=headers)
        expect(f"{method} {path}", got, status)
        return json.loads(text)


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise Failed(f"{what}: {got!r} instead of {wanted!r}")


def pages(site: Site) -> None:
    site.page("/healthz", "ok")
    site.page("/readyz", '"ready"')
    landing = site.page("/", "Training Ledger", "/admin/")
    linked = re.findall(r'href="(/api/(?:docs|schema)/[^"]+)"', landing)
    expect("documents linked from the landing page", len(linked), 8)  # four families, two each
    for path in linked:
        text = site.page(path, "swagger" if "/docs/" in path else "openapi")
        expect(f"GET {path}: addresses of other hosts", re.findall(r'(?:src|href)="(?:https?:)?//[^"]*', text), [])


def login(site: Site, email: str, password: str) -> None:
    form = site.page("/admin/login/", "csrfmiddlewaretoken")
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    token = found[1] if found else ""
    for given, wanted in ((f"{password}x", 200), (password, 302)):
        body = urlencode({"csrfmiddlewaretoken": token, "username": email, "password": given}).encode()
        status, _ = site.send("POST", "/admin/login/?next=/admin/", body=body, headers={"Referer": site.url})
        expect(f"login of {email} with the {'printed' if wanted == 302 else 'wrong'} password", status, wanted)  # noqa: PLR2004 - a redirect to the admin
    site.page("/admin/", email)


def train_sessions(site: Site, token: str) -> None:
    caller = Caller(site, f'Token token="{token}"')
    rows = caller.call("GET", "/api/train_sessions")
    shown = [(row["id"], row["course_code"], row["status"], row["full_name"]) for row in rows]
    wanted = [(pk, code, "Assigned", "Michelle Dragsta") for pk, code in ((3, "WHMIS"), (2, "TDG"), (1, "FP"))]
    expect("GET /api/train_sessions", shown, wanted)
    expect("GET /api/train_sessions/1", caller.call("GET", "/api/train_sessions/1"), rows[2])
    filtered = caller.call("GET", "/api/train_sessions?score=80&completion_date_gteq=2015-01-01")
    expect("train sessions with a score of 80", filtered, [])
    Caller(site, f"Token token={token}x").call("GET", "/api/train_sessions", status=401)


def training(site: Site, token: str) -> None:
    caller = Caller(site, f"Bearer {token}")
    prefix = "/api/v1/training"
    listed = caller.call("GET", f"{prefix}/courses?search=Leadership%20Essentials&category=leadership")
    course = caller.call("GET", f"{prefix}/courses/1")["data"]
    expect("courses found", [row["id"] for row in listed["data"]], [1])
    expect("cost_per_participant", (course["cost_per_participant"], course["duration_hours"]), (200.0, 8))
    figures = (
        course["total_sessions"],
        course["total_enrollments"],
        course["completion_rate"],
        course["average_score"],
    )
    expect("the course's figures", figures, (3, 24, 87.5, 78.3))
    [session] = caller.call("GET", f"{prefix}/sessions?course_id=1&status=scheduled")["data"]
    expect("session", (session["id"], session["session_name"], session["available_spots"]), (8, "May Cohort", 5))
    expect("facilitator", session["facilitator"], {"id": 10, "full_name": "Sarah Williams"})

    body = {"session_id": 8, "employee_ids": [42, 43, 44]}
    made = caller.call("POST", f"{prefix}/enrollments", body, status=201)
    expect("message", made["message"], "3 employees enrolled successfully")
    expect("enrollments", [row["id"] for row in made["data"]["enrollments"]], [301, 302, 303])
    expect("session_available_spots", made["data"]["session_available_spots"], 2)
    refused = caller.call("POST", f"{prefix}/enrollments", {"session_id": 8, "employee_ids": [35, 36, 37]}, status=422)
    expect("the refusal", refused, {"success": False, "message": REFUSED})
    [listed] = caller.call("GET", f"{prefix}/enrollments?employee_id=42")["data"]
    expect(
        "enrollment", (listed["id"], listed["employee"]["full_name"], listed["status"]), (301, "John Doe", "enrolled")
    )
    result = {"score": 82, "feedback": FEEDBACK, "certificate_url": None}
    done = caller.call("PATCH", f"{prefix}/enrollments/301/complete", result)
    expect("message", done["message"], "Enrollment marked as completed")
    expect("result", (done["data"]["score"], done["data"]["passed"], done["data"]["feedback"]), (82, True, FEEDBACK))


def one_ledger(site: Site, token: str) -> None:
    """What the Training API completed is a completed train session; then the documented way to unassign."""
    caller = Caller(site, f"Bearer {token}")
    [row] = caller.call("GET", "/api/train_sessions?full_name_cont=john%20doe")
    expect("John Doe's train session", (row["status"], row["score"], row["percent_complete"]), ("Completed", 82, 100))
    answer = caller.call("POST", "/api/train_sessions/unassign?ids=[1,2]")
    expect("unassigned", answer, {"unassigned": [1, 2], "count": 2})


def demo(site: Site, token: str) -> None:
    caller = Caller(site, f"Bearer {token}")
    expect("the demo's train sessions", len(caller.call("GET", "/api/train_sessions")), 6000)
    expect("the demo's people", caller.call("GET", "/api/v1/training/employees")["meta"]["total"], 300)
    expect("the demo's courses", caller.call("GET", "/api/v1/training/courses")["meta"]["total"], 40)
    expect("the demo's program sessions", len(caller.call("GET", "/api/v1/programs/sessions")), 8)
    feed = caller.call("GET", "/training-assignments/stream?startTime=2015-01-01T00:00:00Z")
    expect("a page of the demo's feed", (len(feed["data"]), feed["pagination"]["hasNextPage"]), (200, True))
    courses = caller.call("GET", "/training-courses")
    expect(
        "the demo's courses in the feed's family", (len(courses["data"]), courses["pagination"]["endCursor"]), (40, "")
    )
    caller.call("GET", "/api/v1/training/courses/1", status=404)


@contextmanager
def served(url: str, environment: dict[str, str], log_file: Path) -> Iterator[Site]:
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command, cwd=ROOT, env={**environment, "BIND": url.removeprefix("http://")}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            site = Site(url)
            wait_for(site, process, log_file)
            yield site
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(site: Site, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = log_file.read_text().strip().splitlines()[-1:]
            raise Failed(f"the server ended with {process.returncode}: {' '.join(last)}")
        try:
            site.send("GET", "/healthz")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Failed("the server does not answer")


def quickstart(port: int, environment: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "manage.py", "quickstart", "--no-serve", "--json", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"quickstart exited with {done.returncode}: {' '.join(done.stderr.strip().splitlines()[-1:])}")
    return json.loads(done.stdout)


def smoke(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "DATA_DIR": str(folder)}
    access = quickstart(port, environment)
    expect("url", access["url"], f"http://127.0.0.1:{port}")
    if access["documents"]["token"] is None:
        raise Failed("the database is not empty")
    with served(access["url"], environment, folder / "log") as site:
        pages(site)
        login(site, **access["admin"])
        documents = access["documents"]["token"]
        train_sessions(site, documents)
        training(site, documents)
        one_ledger(site, documents)
        demo(site, access["demo"]["token"])
    log = (folder / "log").read_text()
    for secret in (documents, access["demo"]["token"], access["admin"]["password"]):
        expect("a secret in the server's log", secret in log, False)
    again = quickstart(port, environment)
    shown = (again["documents"]["token"], again["demo"]["token"], again["admin"]["password"])
    expect("secrets of a second quickstart", shown, (None, None, None))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="training-ledger-smoke-") as folder:
        try:
            smoke(Path(folder))
        except Failed as failed:
            sys.stderr.write(f"smoke: {failed}\n")
            return 1
        except (LookupError, TypeError, ValueError, OSError) as error:
            sys.stderr.write(f"smoke: an answer cannot be read: {type(error).__name__}: {error}\n")
            return 1
    sys.stdout.write("smoke: everything answers as documented\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
