import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.test import Client, RequestFactory

from config import errors
from config.families import FAMILIES

SECRET = "geheim"


class Reader(HTMLParser):
    """What a page shows, and where it leads and loads from."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        if tag not in {"meta", "link"}:
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.within.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.within[-1] != "style":
            self.words.append(" ".join(data.split()))


def read(response: Any) -> Reader:
    reader = Reader()
    reader.feed(response.content.decode())
    reader.close()
    assert reader.within == []
    return reader


def test_the_landing_page_leads_to_the_admin_and_to_every_family(client: Client) -> None:
    page = read(client.get("/"))
    expected = ["data:,", "/admin/"]
    for dialect in FAMILIES:
        expected += [f"/api/docs/{dialect.family}", f"/api/schema/{dialect.family}"]
    assert page.addresses == expected
    for dialect in FAMILIES:
        assert page.words.count(dialect.title) == 1
        assert page.words.count(dialect.description) == 1


def test_the_links_of_the_landing_page_lead_somewhere(db: None, client: Client) -> None:
    links = [address for address in read(client.get("/")).addresses if address.startswith("/")]
    assert {link: client.get(link, follow=True).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_landing_page_loads_nothing_from_another_host(client: Client) -> None:
    assert re.findall(r"https?:|//|url\(|@import", client.get("/").content.decode()) == []


def test_an_unknown_page_is_a_404_with_a_way_home(client: Client) -> None:
    response = client.get(f"/no/such?apiKey={SECRET}")
    page = read(response)
    assert response.status_code == 404
    assert page.words == [
        "Not Found - Training Ledger",
        "Not Found",
        "There is no such route: /no/such",
        "Status 404.",
        "Back to the start page",
    ]
    assert page.addresses == ["data:,", "/"]


def test_an_unknown_page_is_shown_as_text_and_not_at_length(client: Client) -> None:
    page = read(client.get(f"/<b>{'x' * 200}"))
    assert page.words[2] == f"There is no such route: /<b>{'x' * 96}…"


@pytest.mark.parametrize(
    ("exception", "status", "text"),
    [
        (RequestDataTooBig(SECRET), 413, "The body is too large."),
        (TooManyFieldsSent(SECRET), 400, "The body has too many fields."),
        (DisallowedHost(SECRET), 400, "The Host header names no host that is served here."),
        (SuspiciousOperation(SECRET), 400, "The request cannot be read."),
    ],
)
def test_a_bad_request_is_explained_without_what_was_sent(exception: Exception, status: int, text: str) -> None:
    response = errors.bad_request(RequestFactory().get("/elsewhere"), exception)
    assert response.status_code == status
    assert read(response).words[2] == text
    assert SECRET not in response.content.decode()


def test_a_bad_request_of_a_family_is_in_its_own_body() -> None:
    response = errors.bad_request(RequestFactory().get("/api/train_sessions"), RequestDataTooBig(SECRET))
    assert (response.status_code, response.content) == (413, b'{"errors":["The body is too large."]}')


def test_what_is_forbidden_says_so_alone() -> None:
    page = errors.permission_denied(RequestFactory().get("/elsewhere"), PermissionDenied(SECRET))
    api = errors.permission_denied(RequestFactory().get("/api/v1/training"), PermissionDenied(SECRET))
    assert (page.status_code, read(page).words[1:3]) == (403, ["Forbidden", "This is not allowed."])
    assert (api.status_code, api.content) == (403, b'{"success":false,"message":"This is not allowed."}')


def test_a_failure_gives_the_id_to_quote(client: Client) -> None:
    client.get("/healthz", headers={"X-Request-Id": "caller-1"})
    page = errors.server_error(RequestFactory().get("/elsewhere"))
    api = errors.server_error(RequestFactory().get("/api/train_sessions"))
    assert (page.status_code, read(page).words[2]) == (500, "Internal error. Quote the request id caller-1.")
    assert (api.status_code, api.content) == (500, b'{"errors":["Internal error. Quote the request id caller-1."]}')
