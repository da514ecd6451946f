"""create_token, revoke_token and purge: output, refusals, exit status. (mark_overdue: tests/training.)"""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import Busy, CredentialRefused
from accounts.models import ApiToken, IdempotencyRecord, Organization
from accounts.scopes import Scope
from accounts.selectors import live_token
from accounts.services.idempotency import IDEMPOTENCY_LIFETIME
from accounts.services.tokens import create_token
from tests.factories import OrganizationFactory

ROOT = Path(__file__).resolve().parents[2]
SECRET = re.compile(r"\Atl_[0-9a-f]{8}_[A-Za-z0-9_-]{43}\n\Z")


def create(organization: Organization, **options: str) -> None:
    given = {"name": "HR system", "scopes": "training:read,training:write", **options}
    call_command("create_token", organization=organization.slug, **given)


def test_create_token_prints_the_secret_alone(organization: Organization, capsys: pytest.CaptureFixture[str]) -> None:
    create(organization)
    out, err = capsys.readouterr()
    assert SECRET.match(out)
    assert err == ""
    token = live_token(out.strip())
    assert (token.organization, token.name, token.scopes, token.expires_at, token.created_by) == (
        organization,
        "HR system",
        ["training:read", "training:write"],
        None,
        "user-0",
    )


def test_create_token_takes_scopes_with_spaces_around_them(
    organization: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    create(organization, scopes=" programs:read , programs:write,")
    assert live_token(capsys.readouterr().out.strip()).scopes == [Scope.PROGRAMS_READ, Scope.PROGRAMS_WRITE]


@pytest.mark.parametrize(
    ("zone", "last_instant"),
    [
        ("UTC", datetime(2027, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2027, 1, 31, 9, 59, 59, 999999, tzinfo=UTC)),
        ("Pacific/Pago_Pago", datetime(2027, 2, 1, 10, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_create_token_expires_when_its_last_day_has_ended_where_the_organization_is(
    db: None, capsys: pytest.CaptureFixture[str], zone: str, last_instant: datetime
) -> None:
    create(OrganizationFactory.create(time_zone=zone), expires="2027-01-31")
    secret = capsys.readouterr().out.strip()
    with time_machine.travel(last_instant, tick=False):
        assert live_token(secret).is_live
    with (
        time_machine.travel(last_instant + timedelta(microseconds=1), tick=False),
        pytest.raises(CredentialRefused) as refused,
    ):
        live_token(secret)
    assert refused.value.reason == "expired"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expires": "tomorrow"}, "--expires is 'tomorrow'. Give a day such as 2027-01-31."),
        ({"expires": "2027-02-30"}, "--expires is '2027-02-30'. Give a day such as 2027-01-31."),
        (
            {"scopes": "training:read,admin"},
            f"scopes: Unknown scopes: admin. Known: {', '.join(Scope.values)}.",
        ),
        ({"scopes": ","}, "scopes: This field cannot be blank."),
        ({"name": ""}, "name: This field cannot be blank."),
        (
            {"name": "n" * 121},
            "name: Ensure this value has at most 120 characters (it has 121).",
        ),
    ],
)
def test_create_token_says_what_is_wrong_in_one_line(
    organization: Organization, capsys: pytest.CaptureFixture[str], options: dict[str, str], message: str
) -> None:
    with pytest.raises(CommandError) as error:
        create(organization, **options)
    assert (str(error.value), error.value.returncode, capsys.readouterr().out) == (message, 1, "")
    assert not ApiToken.objects.exists()


def test_create_token_refuses_an_organization_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match=r"\AThere is no organization 'nobody'\.\Z"):
        call_command("create_token", organization="nobody", name="x", scopes="training:read")


def test_revoke_token_shuts_the_secret_out(organization: Organization, capsys: pytest.CaptureFixture[str]) -> None:
    token, secret = create_token(organization=organization, actor=Actor.system(), name="HR", scopes=["training:read"])
    other, _ = create_token(organization=organization, actor=Actor.system(), name="BI", scopes=["training:read"])
    call_command("revoke_token", token.prefix)
    assert capsys.readouterr().out == f"Revoked HR ({token.prefix}…) of {organization.name}.\n"
    with pytest.raises(CredentialRefused) as refused:
        live_token(secret)
    assert refused.value.reason == "revoked"
    other.refresh_from_db()
    assert other.is_live


def test_revoke_token_again_keeps_the_first_time(organization: Organization) -> None:
    token, _ = create_token(organization=organization, actor=Actor.system(), name="HR", scopes=["training:read"])
    call_command("revoke_token", token.prefix)
    token.refresh_from_db()
    first = token.revoked_at
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        call_command("revoke_token", token.prefix)
    token.refresh_from_db()
    assert token.revoked_at == first


def test_revoke_token_does_not_repeat_what_may_be_a_secret(organization: Organization) -> None:
    token, secret = create_token(organization=organization, actor=Actor.system(), name="HR", scopes=["training:read"])
    with pytest.raises(CommandError) as error:
        call_command("revoke_token", secret)
    assert str(error.value) == "There is no token with this prefix: the eight characters between the underscores."
    token.refresh_from_db()
    assert token.is_live


@pytest.mark.parametrize(
    ("ages", "left", "said"),
    [
        ([], 0, "0 remembered answers deleted.\n"),
        ([IDEMPOTENCY_LIFETIME], 0, "1 remembered answer deleted.\n"),
        (
            [timedelta(0), IDEMPOTENCY_LIFETIME - timedelta(seconds=9), IDEMPOTENCY_LIFETIME, timedelta(days=9)],
            2,
            "2 remembered answers deleted.\n",
        ),
    ],
)
def test_purge_deletes_the_answers_past_their_time(
    organization: Organization, capsys: pytest.CaptureFixture[str], ages: list[timedelta], left: int, said: str
) -> None:
    token, _ = create_token(organization=organization, actor=Actor.system(), name="HR", scopes=["training:read"])
    for number, age in enumerate(ages):
        IdempotencyRecord.objects.create(
            organization=organization,
            token=token,
            key=f"key-{number}",
            fingerprint="0" * 64,
            status=201,
            body=b"{}",
            created_at=timezone.now() - age,
        )
    call_command("purge")
    assert (capsys.readouterr().out, IdempotencyRecord.objects.count()) == (said, left)


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("create_token.create_token", ["create_token", "--organization={slug}", "--name=x", "--scopes=training:read"]),
        ("revoke_token.revoke_token", ["revoke_token", "{prefix}"]),
        ("purge.purge_idempotency_records", ["purge"]),
    ],
)
def test_a_busy_ledger_is_one_line(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, service: str, command: list[str]
) -> None:
    token, _ = create_token(organization=organization, actor=Actor.system(), name="HR", scopes=["training:read"])

    def busy(**_given: object) -> None:
        raise Busy

    monkeypatch.setattr(f"accounts.management.commands.{service}", busy)
    with pytest.raises(CommandError) as error:
        call_command(*[text.format(slug=organization.slug, prefix=token.prefix) for text in command])
    assert (str(error.value), error.value.returncode) == ("The ledger is busy. Try again.", 1)


@pytest.mark.parametrize("command", ["bulk_enroll", "unassign"])
def test_a_wrong_command_line_is_no_exit_status_2(command: str) -> None:
    """2 says that some rows were refused; argparse leaves with it for any mistake."""
    done = subprocess.run([sys.executable, "manage.py", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the following arguments are required: --organization" in done.stderr
