"""How the quickstart begins, what stops it, and how it hands over to the server."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from accounts.actors import Actor
from accounts.models import ApiToken, Organization
from accounts.services.people import create_organization, create_person
from config.management.commands import quickstart
from config.quickstart.demo import DEMO
from config.quickstart.documents import DOCUMENTS
from config.quickstart.loading import Source, Tables
from config.quickstart.serving import Address
from enrollments.models import Course
from tests.config.wire import ROOT, environment

HOSTS = ["127.0.0.1", "localhost", "[::1]"]


def own_hosts() -> override_settings:
    """Without the host that the test runner adds."""
    return override_settings(ALLOWED_HOSTS=HOSTS)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("quickstart", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@contextmanager
def demo_of(build: Any) -> Iterator[None]:
    """A demo company that is quick to load."""
    source = Source(DEMO.name, DEMO.slug, DEMO.company_id, DEMO.time_zone, build)
    with patch.object(quickstart, "DEMO", source):
        yield


def one_course(organization: Organization) -> Tables:
    course = Course.objects.get(pk=2)
    course.pk, course.organization = 101, organization
    course.uuid, course.hex_id = Course().uuid, Course().hex_id
    return [[course]]


def test_a_run_that_was_interrupted_is_completed_by_the_next(db: None) -> None:
    def cut_short(organization: Organization) -> Tables:
        raise KeyboardInterrupt

    with demo_of(cut_short), pytest.raises(KeyboardInterrupt):
        run("--no-serve")
    assert list(Organization.objects.values_list("slug", flat=True)) == ["documents"]
    assert not ApiToken.objects.exists()
    with demo_of(one_course):
        printed = json.loads(run("--no-serve", "--json"))
    assert sorted(Organization.objects.values_list("slug", flat=True)) == ["demo", "documents"]
    assert None not in (printed["documents"]["token"], printed["demo"]["token"], printed["admin"]["password"])


def test_a_database_with_other_rows_is_left_alone(db: None) -> None:
    theirs = create_organization(actor=Actor.system(), name="Theirs", slug="theirs")
    create_person(organization=theirs, actor=Actor.system(), pk=7, employee_id="1", first_name="Ada")
    with pytest.raises(CommandError, match=r"^The database holds other rows under the ids to load\."):
        run("--no-serve")
    assert list(Organization.objects.all()) == [theirs]


def test_a_slug_that_is_taken_is_named(db: None) -> None:
    create_organization(actor=Actor.system(), name="Theirs", slug=DOCUMENTS.slug)
    with pytest.raises(CommandError, match="slug: Organization with this Slug already exists"):
        run("--no-serve")


def test_a_port_that_is_taken_is_said_before_anything_else_happens() -> None:
    """Without a database: nothing is asked of one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CommandError, match=rf"^Cannot serve on 127\.0\.0\.1:{port}: Address already in use\."):
            run("--port", str(port))


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(CommandError, match=r"^Cannot serve on 192\.0\.2\.1:8000: "):
        run("--host", "192.0.2.1")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "٨"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is no port"):
        run("--port", text)


@pytest.mark.parametrize(
    ("host", "bind", "url", "names"),
    [
        ("127.0.0.1", "127.0.0.1:80", "http://127.0.0.1:80", HOSTS),
        ("10.1.2.3", "10.1.2.3:80", "http://10.1.2.3:80", [*HOSTS, "10.1.2.3"]),
        ("ledger.lan", "ledger.lan:80", "http://ledger.lan:80", [*HOSTS, "ledger.lan"]),
        ("::1", "[::1]:80", "http://[::1]:80", HOSTS),
        ("0.0.0.0", "0.0.0.0:80", "http://127.0.0.1:80", ["*"]),  # noqa: S104 - what is tested
        ("::", "[::]:80", "http://127.0.0.1:80", ["*"]),
    ],
)
def test_an_address_is_served_under_its_own_name(host: str, bind: str, url: str, names: list[str]) -> None:
    address = Address(host, 80)
    with own_hosts(), patch.dict(os.environ):
        os.environ.pop("ALLOWED_HOSTS", None)
        assert (address.bind, address.url, address.allowed_hosts()) == (bind, url, names)


def test_an_operators_own_hosts_are_kept_on_every_address() -> None:
    with own_hosts(), patch.dict(os.environ, ALLOWED_HOSTS=",".join(HOSTS)):
        assert Address("::", 80).allowed_hosts() == HOSTS


def test_the_process_becomes_the_server(db: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    unclosed = patch.object(connections, "all", return_value=[])  # The test's own transaction is in one.
    with demo_of(one_course), own_hosts(), unclosed, patch.object(os, "execve") as execve:
        printed = json.loads(run("--json", "--port", str(port)))
    [[program, command, variables]] = [call.args for call in execve.call_args_list]
    assert (program, command[1:4]) == (sys.executable, ["-m", "gunicorn", "-c"])
    assert Path(command[4]) == ROOT / "config" / "gunicorn.py"
    assert variables["BIND"] == f"127.0.0.1:{port}"
    assert variables["ALLOWED_HOSTS"] == "127.0.0.1,localhost,[::1]"
    assert variables["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    assert printed["url"] == f"http://127.0.0.1:{port}"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    done = subprocess.run(
        [sys.executable, "manage.py", "quickstart", "--no-serve"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the settings cannot be used: ")
    assert done.stderr.count("\n") == 1
