"""Who is let in to the Programs API, what it refuses to read, and where its old address leads."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.models import Organization
from accounts.scopes import Scope
from programs.models import ProgramSession
from tests.conftest import Api, api_of, body_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, ProgramSessionFactory

PROGRAMS = "/api/v1/programs"
SESSIONS = f"{PROGRAMS}/sessions"
TEMPLATES = f"{PROGRAMS}/templates"
UNKNOWN = "0" * 24
# Every route; what stands for ids is filled in.
ROUTES = (
    ("GET", PROGRAMS),
    ("GET", SESSIONS),
    ("GET", SESSIONS + "/{session}"),
    ("GET", SESSIONS + "/{session}/users"),
    ("PUT", SESSIONS + "/{session}/users/{user}"),
    ("DELETE", SESSIONS + "/{session}/users/{user}"),
    ("GET", SESSIONS + "/{session}/stats"),
    ("GET", TEMPLATES),
    ("GET", TEMPLATES + "/{template}"),
)
EVERY_ROUTE = pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
Credential = tuple[dict[str, str], dict[str, str]]  # Query and headers.


@pytest.fixture
def session(organization: Organization) -> ProgramSession:
    return ProgramSessionFactory.create(
        organization=organization, courses=[CourseFactory.create(organization=organization)]
    )


@pytest.fixture
def ids(session: ProgramSession, organization: Organization) -> dict[str, str]:
    user = PersonFactory.create(organization=organization).hex_id
    return {"session": session.hex_id, "template": session.template.hex_id, "user": user}


def request(method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> Any:
    target = f"{path}?{urlencode(query)}" if query else path
    return Client(raise_request_exception=False).generic(method, target, headers=headers)


def error_of(response: Any) -> tuple[int, dict[str, str]]:
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, json.loads(response.content)


def in_query(company: str, key: str) -> Credential:
    return {"company": company, "apiKey": key}, {}


def in_headers(company: str, key: str) -> Credential:
    return {}, {"X-company-id": company, "X-apiKey": key}


PAIRS = {"query": in_query, "headers": in_headers}


@pytest.mark.parametrize("form", ["query", "headers", "bearer", "bearer in capitals"])
@EVERY_ROUTE
def test_every_form_of_the_credential_lets_in_everywhere(
    api: Api, organization: Organization, ids: dict[str, str], method: str, path: str, *, form: str
) -> None:
    if form in PAIRS:
        query, headers = PAIRS[form](organization.company_id, api.secret)
    else:
        word = "Bearer" if form == "bearer" else "BEARER"
        query, headers = {}, {"Authorization": f"{word} {api.secret}"}
    expected = 302 if path == PROGRAMS else 200
    assert request(method, path.format(**ids), query, headers).status_code == expected


@EVERY_ROUTE
def test_company_and_key_in_the_query_are_no_unknown_parameters_to_a_bearer(
    api: Api, organization: Organization, ids: dict[str, str], method: str, path: str
) -> None:
    """Not read there: a client that sends both is let in by the header."""
    query = {"company": "nonsense", "apiKey": ""}
    response = request(method, path.format(**ids), query, {"Authorization": f"Bearer {api.secret}"})
    assert response.status_code == (302 if path == PROGRAMS else 200)


@EVERY_ROUTE
def test_nobody_is_let_in_without_a_credential(ids: dict[str, str], method: str, path: str) -> None:
    response = request(method, path.format(**ids), {}, {})
    expected = {"error": "unauthorized", "description": "No credential was given."}
    assert (error_of(response), response["WWW-Authenticate"]) == ((401, expected), 'Bearer realm="programs"')


@pytest.mark.parametrize("form", PAIRS)
@pytest.mark.parametrize(
    ("half", "description"),
    [
        ("company of another organization", "The credential is not known."),
        ("company that there is not", "The credential is not known."),
        ("company in other case", "The credential is not known."),
        ("company beyond ASCII", "The credential is not known."),
        ("wrong key", "The credential is not known."),
        ("key of another organization", "The credential is not known."),
        ("nonsense for a key", "The credential is not known."),
        ("key beyond ASCII", "The credential is not known."),
        ("missing company", "No credential was given."),
        ("blank company", "No credential was given."),
        ("missing key", "No credential was given."),
        ("blank key", "No credential was given."),
    ],
)
def test_half_a_credential_lets_nobody_in(api: Api, form: str, half: str, description: str) -> None:
    company = "abcdef" * 4
    Organization.objects.update(company_id=company)
    stranger = OrganizationFactory.create()
    wrong = {
        "company of another organization": (stranger.company_id, api.secret),
        "company that there is not": (UNKNOWN, api.secret),
        "company in other case": (company.upper(), api.secret),
        "company beyond ASCII": ("é", api.secret),
        "wrong key": (company, api.secret[:-1] + ("A" if api.secret[-1] != "A" else "B")),
        "key of another organization": (company, api_of(stranger).secret),
        "nonsense for a key": (company, "nonsense"),
        "key beyond ASCII": (company, "é\x7f"),
        "missing company": (None, api.secret),
        "blank company": ("", api.secret),
        "missing key": (company, None),
        "blank key": (company, ""),
    }[half]
    query, headers = PAIRS[form]("*", "*")
    names = list(query or headers)
    given = {name: value for name, value in zip(names, wrong, strict=True) if value is not None}
    response = request("GET", SESSIONS, given if query else {}, {} if query else given)
    expected = {"error": "unauthorized", "description": description}
    assert (error_of(response), response["WWW-Authenticate"]) == ((401, expected), 'Bearer realm="programs"')
    # What was wrong with it is all that kept it out.
    query, headers = PAIRS[form](company, api.secret)
    assert request("GET", SESSIONS, query, headers).status_code == 200


def test_half_in_the_query_and_half_in_the_headers_lets_nobody_in(api: Api, organization: Organization) -> None:
    for query, headers in (
        ({"company": organization.company_id}, {"X-apiKey": api.secret}),
        ({"apiKey": api.secret}, {"X-company-id": organization.company_id}),
    ):
        assert request("GET", SESSIONS, query, headers).status_code == 401


def test_wrong_bearer_is_not_rescued_by_a_right_key(api: Api, organization: Organization) -> None:
    query, _ = in_query(organization.company_id, api.secret)
    assert request("GET", SESSIONS, query, {"Authorization": "Bearer nonsense"}).status_code == 401


def test_credential_names_are_exact(api: Api, organization: Organization) -> None:
    assert request("GET", SESSIONS, {"company": organization.company_id, "apikey": api.secret}, {}).status_code == 401


@pytest.mark.parametrize("form", PAIRS)
def test_company_and_key_see_their_own_organization(api: Api, session: ProgramSession, form: str) -> None:
    stranger = OrganizationFactory.create()
    other = ProgramSessionFactory.create(organization=stranger)
    for organization, secret, visible in (
        (session.organization, api.secret, session),
        (stranger, api_of(stranger).secret, other),
    ):
        query, headers = PAIRS[form](organization.company_id, secret)
        listed = json.loads(body_of(request("GET", SESSIONS, query, headers)))
        assert [row["_id"] for row in listed] == [visible.hex_id]


@EVERY_ROUTE
def test_a_token_needs_the_familys_scope(
    organization: Organization, ids: dict[str, str], method: str, path: str
) -> None:
    needed = Scope.PROGRAMS_READ if method == "GET" else Scope.PROGRAMS_WRITE
    refused = api_of(organization, *(scope for scope in Scope.values if scope != needed))
    expected = {"error": "forbidden", "description": f"The token lacks the scope {needed}."}
    assert error_of(refused.request(method, path.format(**ids))) == (403, expected)
    assert api_of(organization, needed).request(method, path.format(**ids)).status_code < 400


@EVERY_ROUTE
def test_an_unknown_parameter_is_named_and_its_value_is_not(
    api: Api, organization: Organization, ids: dict[str, str], method: str, path: str
) -> None:
    query, headers = in_query(organization.company_id, api.secret)
    response = request(method, path.format(**ids), {**query, "format": "geheim", "limit": ""}, headers)
    if path == PROGRAMS:
        response = request("GET", response["Location"], {}, {})
    known = "Unknown parameter. Known: apiKey, company."
    assert error_of(response) == (
        400,
        {"error": "invalid_query", "description": f"format: {known} limit: {known}"},
    )
    assert organization.people.filter(program_memberships__isnull=False).count() == 0


def test_a_credential_given_twice_is_refused(api: Api, organization: Organization) -> None:
    query, _ = in_query(organization.company_id, api.secret)
    response = request("GET", f"{SESSIONS}?company={organization.company_id}&{urlencode(query)}", {}, {})
    expected = {"error": "invalid_query", "description": "company: Given more than once. Give one value."}
    assert error_of(response) == (400, expected)


@pytest.mark.parametrize("path", [PROGRAMS, f"{PROGRAMS}/"])
@pytest.mark.parametrize("query", ["", "?a=1", "?a=%2B+b&a=%C3%A9&b", "?next=//evil.example&x=%0d%0aSet-Cookie:1"])
def test_the_old_address_redirects_with_its_query(api: Api, path: str, query: str) -> None:
    response = api.get(f"{path}{query}")
    assert (response.status_code, response["Location"], response.content) == (302, f"{SESSIONS}{query}", b"")


def test_a_client_of_the_old_address_reads_the_list(
    api: Api, organization: Organization, session: ProgramSession
) -> None:
    """With the credential in the query alone, as before program sessions were."""
    query, _ = in_query(organization.company_id, api.secret)
    response = Client().get(PROGRAMS, query, follow=True)
    assert response.redirect_chain == [(f"{SESSIONS}?{urlencode(query)}", 302)]
    assert [row["_id"] for row in json.loads(body_of(response))] == [session.hex_id]


NOT_FOUND = {
    "session_not_found": "There is no program session {id}.",
    "template_not_found": "There is no program template {id}.",
    "user_not_found": "There is no such user.",
}
MISSING = (
    ("GET", SESSIONS + "/{id}", "session_not_found"),
    ("GET", SESSIONS + "/{id}/users", "session_not_found"),
    ("GET", SESSIONS + "/{id}/stats", "session_not_found"),
    ("PUT", SESSIONS + "/{id}/users/{user}", "session_not_found"),
    ("DELETE", SESSIONS + "/{id}/users/{user}", "session_not_found"),
    ("PUT", SESSIONS + "/{session}/users/{id}", "user_not_found"),
    ("DELETE", SESSIONS + "/{session}/users/{id}", "user_not_found"),
    ("GET", TEMPLATES + "/{id}", "template_not_found"),
)
# As sent, and as shown. Nothing of it may reach the database as a NUL, or fail where one is put into a key or a regex.
GARBAGE = {
    "unknown": (UNKNOWN, UNKNOWN),
    "short": ("a" * 23, "a" * 23),
    "long": ("a" * 25, "a" * 25),
    "capitals": ("A" * 24, "A" * 24),
    "no hex": ("g" * 24, "g" * 24),
    "line end": ("0" * 24 + "%0A", "0" * 24 + "\n"),
    "NUL": ("%00", "\0"),
    "NUL in a mail": ("a%00@example.com", "a\0@example.com"),
    "no UTF-8": ("%FF", "%FF"),
    "other digits": ("%EF%BC%91" * 24, "\N{FULLWIDTH DIGIT ONE}" * 24),
    "blank": ("%20", " "),
    "endless": ("a" * 5000, "a" * 100 + "…"),
    "mail of nobody": ("nobody@example.com", "nobody@example.com"),
    "pattern": ("%25@%25", "%@%"),
}


EVERY_MISSING = pytest.mark.parametrize(
    ("method", "path", "code"), MISSING, ids=[f"{method} {path}" for method, path, _ in MISSING]
)


@EVERY_MISSING
def test_what_there_is_not_is_a_404_with_its_code(
    api: Api, ids: dict[str, str], method: str, path: str, code: str
) -> None:
    answers = {name: error_of(api.request(method, path.format(**ids, id=sent))) for name, (sent, _) in GARBAGE.items()}
    assert answers == {
        name: (404, {"error": code, "description": NOT_FOUND[code].format(id=shown)})
        for name, (_, shown) in GARBAGE.items()
    }


@EVERY_MISSING
def test_what_is_another_organizations_answers_as_what_there_is_not(
    api: Api, ids: dict[str, str], method: str, path: str, code: str
) -> None:
    stranger = OrganizationFactory.create()
    session = ProgramSessionFactory.create(organization=stranger)
    person = PersonFactory.create(organization=stranger, mail="stranger@example.com")
    theirs = {
        "session_not_found": [session.hex_id],
        "template_not_found": [session.template.hex_id],
        "user_not_found": [person.hex_id, person.mail],
    }[code]
    for one in theirs:
        expected = {"error": code, "description": NOT_FOUND[code].format(id=one)}
        assert error_of(api.request(method, path.format(**ids, id=one))) == (404, expected)
    assert session.members.count() == 0
