"""API tokens in the admin: the secret is shown once, to whoever made it, and is nowhere afterwards."""

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session as BrowserSession
from django.urls import reverse
from django.utils import timezone

from accounts.errors import CredentialRefused, FieldsRefused
from accounts.models import ApiToken, HistoryEntry, Organization
from accounts.roles import Role
from accounts.scopes import Scope
from accounts.selectors import live_token
from accounts.services import tokens
from tests.accounts.admin_pages import Pages, address, errors_of, fields_of, messages_of
from tests.factories import SYSTEM, OrganizationFactory, UserFactory

NOW = datetime(2027, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


def token_of(organization: Organization, **given: Any) -> ApiToken:
    given = {"name": "HR system", "scopes": ["training:read"], **given}
    return tokens.create_token(organization=organization, actor=SYSTEM, **given)[0]


def rotate_address(token: ApiToken | int) -> str:
    return reverse("admin:accounts_apitoken_rotate", args=[getattr(token, "pk", token)])


def revoke_address(token: ApiToken | int) -> str:
    return reverse("admin:accounts_apitoken_revoke", args=[getattr(token, "pk", token)])


def secret_in(page: Any) -> str:
    [secret] = re.findall(r'<textarea id="secret"[^>]*>([^<]+)</textarea>', page.content.decode())
    return str(secret)


def everything_kept() -> str:
    """Whatever the product keeps besides the token's own row."""
    kept = [*HistoryEntry.objects.values(), *LogEntry.objects.values()]
    sessions = [session.get_decoded() for session in BrowserSession.objects.all()]
    return f"{kept}{sessions}"


def test_a_secret_is_shown_once_and_kept_nowhere(
    staff: Pages, organization: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    opened = fields_of(staff.get(address(ApiToken, "add")))
    typed = {**opened, "name": "HR system", "scopes": [Scope.TRAINING_READ, Scope.TRAINING_WRITE]}
    with caplog.at_level(logging.DEBUG):
        page = staff.client.post(address(ApiToken, "add"), typed)
        secret = secret_in(page)
        token = live_token(secret)
        again = staff.client.post(address(ApiToken, "add"), typed)
    assert (page.status_code, page.headers["Cache-Control"].split(",")[0]) == (200, "no-store")
    assert (token.organization, token.name, token.scopes, token.expires_at, token.created_by) == (
        organization, "HR system", ["training:read", "training:write"], None, f"user-{staff.user.pk}",
    )  # fmt: skip
    assert errors_of(again) == {
        "__all__": [
            f"This form has made {token} already, and its secret is not shown again. Open a new form for another token."
        ]
    }
    assert list(ApiToken.objects.all()) == [token]
    pages = [again, staff.rows(ApiToken), staff.get(address(ApiToken, "change", token)),
             staff.get(address(ApiToken, "history", token)), staff.rows(HistoryEntry), staff.get("/admin/")]  # fmt: skip
    half = secret.split("_", 2)[2]
    assert [one.status_code for one in pages] == [200] * 6
    assert [half in one.content.decode() or token.digest in one.content.decode() for one in pages] == [False] * 6
    assert (half in everything_kept(), token.digest in everything_kept(), half in caplog.text) == (False, False, False)


def test_scopes_are_ticked_by_family(staff: Pages) -> None:
    page = staff.get(address(ApiToken, "add")).content.decode()
    assert re.findall(r"<legend>(.*?)</legend>", page) == [
        "Train Sessions API", "Training Assignments API", "Programs API", "Training API",
    ]  # fmt: skip
    assert re.findall(r'name="scopes" value="(.*?)"', page) == Scope.values


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ({"name": "HR"}, {"scopes": ["This field is required."]}),
        ({"name": "HR", "scopes": ["training:read"], "expires_at_0": "2027-03-01", "expires_at_1": "10:00:00"},
         {"expires_at": ["Give a time to come, or none."]}),
        ({"name": "HR", "scopes": ["training:fly"]},
         {"scopes": ["Select a valid choice. training:fly is not one of the available choices."]}),
    ],
)  # fmt: skip
def test_a_token_that_lets_nobody_in_is_not_made(
    staff: Pages, typed: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    with time_machine.travel(NOW, tick=False):
        staff.client.force_login(staff.user)
        assert errors_of(staff.add(ApiToken, **typed)) == errors
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize(
    ("hours", "expires_at", "ends"),
    [
        ("1", None, NOW + timedelta(hours=1)),
        ("24", None, NOW + timedelta(days=1)),
        ("168", NOW + timedelta(days=30), NOW + timedelta(days=7)),
        ("168", NOW + timedelta(days=2), NOW + timedelta(days=2)),
    ],
)
def test_a_token_is_rotated_with_an_overlap(
    staff: Pages, organization: Organization, hours: str, expires_at: datetime | None, ends: datetime
) -> None:
    with time_machine.travel(NOW, tick=False):
        staff.client.force_login(staff.user)
        old, first = tokens.create_token(
            organization=organization, actor=SYSTEM, name="HR", scopes=["training:read"], expires_at=expires_at
        )
        opened = fields_of(staff.get(rotate_address(old)))
        page = staff.client.post(rotate_address(old), {**opened, "overlap": hours})
        new = live_token(secret_in(page))
        old.refresh_from_db()
        assert page.headers["Cache-Control"].startswith("no-store")
        assert (new.name, new.scopes, new.expires_at, new.organization) == (
            "HR", ["training:read"], expires_at, organization,
        )  # fmt: skip
        assert (new.pk == old.pk, old.expires_at, live_token(first).pk) == (False, ends, old.pk)
        again = staff.client.post(rotate_address(old), {**opened, "overlap": hours})
        assert f"This form has made {new} already" in again.content.decode()
        assert ApiToken.objects.count() == 2
    with time_machine.travel(ends, tick=False), pytest.raises(CredentialRefused):
        live_token(first)
    assert secret_in(page).split("_", 2)[2] not in everything_kept()


def test_only_a_live_token_is_rotated(staff: Pages, organization: Organization) -> None:
    token = token_of(organization)
    tokens.revoke_token(actor=SYSTEM, token=token)
    page = staff.save(rotate_address(token), overlap="1")
    assert "This token lets nobody in any more. Create a new one." in page.content.decode()
    with pytest.raises(FieldsRefused):
        tokens.rotate_token(actor=SYSTEM, token=token, overlap=timedelta(hours=1))
    assert list(ApiToken.objects.values_list("pk", flat=True)) == [token.pk]


def test_a_token_is_revoked_after_a_question_and_never_edited(staff: Pages, organization: Organization) -> None:
    token, other = token_of(organization), token_of(organization, name="Other")
    assert staff.client.post(address(ApiToken, "change", token), {"name": "Other"}).status_code == 403
    with time_machine.travel(NOW, tick=False):
        staff.client.force_login(staff.user)
        asked = staff.act(ApiToken, "revoke", [token])
        assert (asked.status_code, ApiToken.objects.filter(revoked_at=None).count()) == (200, 2)
        assert messages_of(staff.act(ApiToken, "revoke", [token], apply="1")) == ["1 API token revoked."]
        assert messages_of(staff.act(ApiToken, "revoke", [token], apply="1")) == [
            "1 API token had been revoked before."
        ]
        assert staff.get(revoke_address(other)).status_code == 200
        assert ApiToken.objects.get(pk=other.pk).revoked_at is None
        answer = staff.save(revoke_address(other), apply="1")
    assert (answer.status_code, answer.headers["Location"]) == (302, address(ApiToken, "change", other))
    assert set(ApiToken.objects.values_list("name", "revoked_at")) == {("HR system", NOW), ("Other", NOW)}


def test_the_list_says_who_made_a_token_and_what_it_is_good_for(staff: Pages, organization: Organization) -> None:
    now = timezone.now()
    made = {
        "Live": token_of(organization, expires_at=now + timedelta(days=60)),
        "Expires soon": token_of(organization, expires_at=now + timedelta(days=3)),
        "Expired": token_of(organization, expires_at=now - timedelta(days=3)),
        "Revoked": token_of(organization),
    }
    tokens.revoke_token(actor=SYSTEM, token=made["Revoked"])
    tokens.note_token_use(token=made["Live"])
    staff.add(ApiToken, name="By hand", scopes=["training:read"])
    page = staff.rows(ApiToken)
    shown = re.findall(r'token-state is-\w+">(.*?)<', page.content.decode())
    assert shown == ["Live", "Revoked", "Expired", "Expires soon", "Live"]
    assert [row.staff for row in page.context["cl"].queryset] == ["ada@example.com", None, None, None, None]
    for state, name in (("live", "Live"), ("soon", "Expires soon"), ("expired", "Expired"), ("revoked", "Revoked")):
        found = staff.rows(ApiToken, state=state).context["cl"].queryset.filter(name="HR system")
        assert list(found) == [made[name]]
    assert made["Live"] not in staff.rows(ApiToken, used="never").context["cl"].queryset
    assert staff.rows(ApiToken, used="never").context["cl"].queryset.count() == 4


ROLES = [(Role.ADMINISTRATOR, 200, 200), (Role.AUDITOR, 200, 403), (Role.FACILITATOR, 403, 403), (None, 403, 403)]


@pytest.mark.parametrize(("role", "reads", "writes"), ROLES)
def test_each_role_may_do_its_own(organization: Organization, role: Role | None, reads: int, writes: int) -> None:
    token = token_of(organization)
    pages = Pages(UserFactory.create(organization=organization, role=role))
    assert pages.rows(ApiToken).status_code == reads
    assert pages.get(address(ApiToken, "add")).status_code == writes
    for page in (rotate_address(token), revoke_address(token)):
        assert pages.get(page).status_code == writes
    if writes == 403:
        for page in (rotate_address(token), revoke_address(token)):
            assert pages.client.post(page, {"overlap": "1", "mark": "0" * 8}).status_code == 403
        assert ApiToken.objects.values_list("revoked_at", "expires_at").get() == (None, None)


def test_another_organizations_token_is_not_there(staff: Pages) -> None:
    theirs = token_of(OrganizationFactory.create())
    for where in (rotate_address, revoke_address):
        assert staff.get(where(theirs)).status_code == staff.get(where(10**9)).status_code == 404
        assert staff.client.post(where(theirs), {"overlap": "1", "mark": "0" * 8}).status_code == 404
    assert ApiToken.objects.values_list("revoked_at", "expires_at").get() == (None, None)
