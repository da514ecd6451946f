"""Order, pages and chunks of the lists, and what a page says about the others."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date
from decimal import Decimal
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given, settings, strategies as st
from pytest_django import Settings

from accounts.api import streaming
from accounts.models import Organization, Person
from accounts.statements import Row, Statement, Values
from tests.conftest import Api, body_of
from tests.contracts.oracle import EXAMPLES, LISTINGS, Listing, World, folded, json_of, make_train_sessions, undone
from tests.contracts.records import Record, person_row, write_records
from tests.factories import OrganizationFactory

EVERY_LIST = pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)


@pytest.fixture(autouse=True)
def no_rate_limit(settings: Settings) -> None:
    settings.RATE_LIMIT_TRAIN_SESSIONS = settings.RATE_LIMIT_TRAINING = ""


def make_shown_rows(data: st.DataObject, organization: Organization) -> list[dict[str, Any]]:
    """Few different values, so that many rows tie. By id, as they are to be sorted."""
    world = World(organization, OrganizationFactory.create(), UTC, [date(2024, 2, 28), date(2024, 2, 29)])
    rows = make_train_sessions(data, world)
    return [
        {
            "id": pk,
            "score": row.score or Decimal(0),
            "completion_date": row.completed_at,
            "cert_expiry": row.cert_expiry,
            "complete_by": row.due_at,
            "full_name": folded(row.full_name),
        }
        for pk, row in rows.items()
        if row.organization == organization and not row.unassigned
    ]


def in_order(rows: list[dict[str, Any]], key: str, *, descending: bool) -> list[int]:
    """Rows without a value last, whatever the direction; ties newest first."""
    newest_first = sorted(rows, key=lambda row: -row["id"])
    known = sorted((row for row in newest_first if row[key] is not None), key=lambda row: row[key], reverse=descending)
    # A reversed sort of Python's keeps ties in the order that they came in, as a plain one does.
    return [row["id"] for row in known] + [row["id"] for row in newest_first if row[key] is None]


def pages(api: Api, query: Mapping[str, str]) -> list[list[int]]:
    """Page by page, by the `next` of each one's `Link` header."""
    found: list[list[int]] = []
    address: str | None = f"/api/train_sessions?{urlencode(query)}"
    while address:
        response = api.get(address)
        assert response.status_code == 200, response.content
        found.append([row["id"] for row in response.json()])
        address = links_of(response).get("next")
        assert len(found) < 10, "the links lead in a circle"
    return found


def links_of(response: Any) -> dict[str, str]:
    """By relation. The test server's own name is left out."""
    found = re.findall(r'<http://testserver([^>]*)>; rel="(\w+)"', response["Link"])
    assert ", ".join(f'<http://testserver{target}>; rel="{name}"' for target, name in found) == response["Link"]
    return {name: target for target, name in found}


@pytest.mark.parametrize("key", ["score", "completion_date", "cert_expiry", "complete_by", "full_name", "id"])
@pytest.mark.parametrize("direction", ["", " asc", " desc"])
@given(data=st.data())
@settings(EXAMPLES, max_examples=8)
def test_pages_are_sorted_by_each_key_in_each_direction(
    data: st.DataObject, key: str, direction: str, api: Api, organization: Organization
) -> None:
    with undone():
        rows = make_shown_rows(data, organization)
        shown = pages(api, {"s": f"{key}{direction}", "per_page": "3"})
        assert [*chain.from_iterable(shown)] == in_order(rows, key, descending=direction == " desc")


@pytest.mark.parametrize(
    "text", ["score down", "score DESC", "score  desc", "score,desc", "desc", "title asc", "id desc, score asc", "-id"]
)
def test_a_sort_that_is_not_documented_is_refused(api: Api, text: str) -> None:
    response = api.get(f"/api/train_sessions?{urlencode({'page': '1', 's': text})}")
    keys = "score, completion_date, cert_expiry, complete_by, full_name, id"
    sentence = f"s: {text!r} is not accepted. Give one of {keys}; then asc or desc."
    assert (response.status_code, response.json()) == (400, {"errors": [sentence]})


def test_the_complete_list_is_not_sorted_otherwise(api: Api) -> None:
    response = api.get("/api/train_sessions?s=score+desc")
    sentence = "s: Sorts paged requests only. Give page or per_page too."
    assert (response.status_code, response.json()) == (400, {"errors": [sentence]})


@given(total=st.integers(0, 11), size=st.integers(1, 12), number=st.integers(1, 14))
@example(total=0, size=64, number=1)
@example(total=6, size=3, number=2)
@example(total=7, size=3, number=9)
@settings(EXAMPLES, max_examples=40)
def test_a_page_of_train_sessions_says_where_the_others_are(
    total: int, size: int, number: int, api: Api, organization: Organization
) -> None:
    with undone():
        ids = write_records([Record(organization)] * total)[::-1]
        response = api.get(f"/api/train_sessions?full_name_cont=a&page={number}&per_page={size}")
        last = max((total + size - 1) // size, 1)
        links = {"first": 1, "prev": min(number - 1, last), "last": last, "next": number + 1}
        applies = {"first", "last"} | ({"prev"} if number > 1 else set()) | ({"next"} if number < last else set())
        assert [row["id"] for row in response.json()] == ids[(number - 1) * size : number * size]
        assert (response["Total"], response["Per-Page"]) == (str(total), str(size))
        assert links_of(response) == {
            rel: f"/api/train_sessions?full_name_cont=a&page={page}&per_page={size}"
            for rel, page in links.items()
            if rel in applies
        }


@pytest.mark.parametrize(("query", "size"), [("page=1", 64), ("per_page=1000", 1000), ("per_page=2", 2)])
def test_the_default_and_the_biggest_page_of_train_sessions(
    query: str, size: int, api: Api, organization: Organization
) -> None:
    ids = write_records([Record(organization)] * 66)[::-1]
    response = api.get(f"/api/train_sessions?{query}")
    assert ([row["id"] for row in response.json()], response["Per-Page"]) == (ids[:size], str(size))


@given(total=st.integers(0, 9), chunk=st.integers(1, 4))
@settings(EXAMPLES, max_examples=30)
def test_the_complete_list_is_whole_over_any_number_of_chunks(
    total: int, chunk: int, api: Api, organization: Organization
) -> None:
    with undone(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "CHUNK", chunk)
        ids = write_records([Record(organization), Record(organization, first_name="-")] * total)
        response = api.get("/api/train_sessions")
        assert ([name for name in ("Link", "Total", "Per-Page") if name in response], response.streaming) == ([], True)
        assert [row["id"] for row in json_of(response)] == ids[::-1]
        assert LISTINGS["train_sessions"].shown(api, {"full_name_cont": "a"}) == ids[-2::-2]


def test_pages_put_together_are_the_complete_list(api: Api, organization: Organization) -> None:
    write_records([Record(organization, title=f"Title {number}") for number in range(10)])
    complete = json_of(api.get("/api/train_sessions"))
    paged = [api.get(f"/api/train_sessions?per_page=3&page={number}").json() for number in range(1, 6)]
    assert ([len(page) for page in paged], [*chain.from_iterable(paged)]) == ([3, 3, 3, 1, 0], complete)


def test_a_list_that_fails_after_its_first_chunk_breaks_off(
    api: Api, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_records([Record(organization)] * 3)
    monkeypatch.setattr(streaming, "CHUNK", 2)
    begun = Statement.begun

    def fail_behind(statement: Statement, values: Values) -> Callable[[], list[Row]]:
        return raises(RuntimeError("the second chunk")) if "after" in values else begun(statement, values)

    monkeypatch.setattr(Statement, "begun", fail_behind)
    response = api.get("/api/train_sessions")
    with pytest.raises(RuntimeError, match="the second chunk"):
        body_of(response)


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_args: object, **_kwargs: object) -> Any:
        raise error

    return fail


@given(total=st.integers(0, 9), size=st.none() | st.integers(1, 10), number=st.none() | st.integers(1, 12))
@example(total=0, size=None, number=None)
@example(total=6, size=3, number=2)
@example(total=7, size=3, number=9)
@settings(EXAMPLES, max_examples=40)
def test_meta_and_links_of_a_page_of_the_training_api(
    total: int, size: int | None, number: int | None, api: Api, organization: Organization
) -> None:
    given_parameters = {"search": "ada", **({"per_page": str(size)} if size else {})}
    query = {**given_parameters, **({"page": str(number)} if number else {})}
    page, per_page = number or 1, size or 15
    with undone():
        people = Person.objects.bulk_create([person_row(organization) for _ in range(total)])
        body = api.get(f"/api/v1/training/employees?{urlencode(query)}").json()
        shown = [person.pk for person in people][(page - 1) * per_page : page * per_page]
        last = max((total + per_page - 1) // per_page, 1)
        assert [row["id"] for row in body["data"]] == shown
        assert list(body) == ["success", "data", "meta", "links"]
        assert body["meta"] == {
            "current_page": page,
            "last_page": last,
            "per_page": per_page,
            "total": total,
            "from": (page - 1) * per_page + 1 if shown else None,
            "to": (page - 1) * per_page + len(shown) if shown else None,
        }
        targets = {
            "first": 1,
            "last": last,
            "prev": min(page - 1, last) if page > 1 else None,
            "next": page + 1 if page < last else None,
        }
        assert {name: link and read_link(link) for name, link in body["links"].items()} == {
            name: target and ("http://testserver/api/v1/training/employees", {**given_parameters, "page": str(target)})
            for name, target in targets.items()
        }


def read_link(link: str) -> tuple[str, dict[str, str]]:
    target = urlsplit(link)
    return (f"{target.scheme}://{target.netloc}{target.path}", dict(parse_qsl(target.query)))


@EVERY_LIST
@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("value", ["0", "-1", "1.0", "x", "1e1", "٣", "biggest"])
def test_a_page_that_is_no_page_is_refused(listing: Listing, name: str, value: str, api: Api) -> None:
    biggest = 10**9 if name == "page" else 100 if listing.in_data else 1000
    value = str(biggest + 1) if value == "biggest" else value
    response = api.get(f"{listing.path}?{urlencode({name: value})}")
    sentence = f"{name}: {value!r} is not accepted. Give a whole number from 1 to {biggest}."
    body = {"success": False, "message": sentence} if listing.in_data else {"errors": [sentence]}
    assert (response.status_code, response.json()) == (400, body)
    assert api.get(f"{listing.path}?{name}={biggest}").status_code == 200
