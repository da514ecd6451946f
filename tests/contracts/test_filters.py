"""Every documented filter, through HTTP, against the oracle."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import given, settings, strategies as st
from pytest_django import Settings

from accounts.api.filters import StrictFilterSet
from accounts.models import Organization, Person
from enrollments.filters import CourseFilter, EmployeeFilter, EnrollmentFilter, SessionFilter
from enrollments.models import Course, Enrollment, Session
from tests.conftest import Api
from tests.contracts.oracle import ALIASES, EXAMPLES, LISTINGS, Listing, random_world, undone
from tests.contracts.records import Record, enrollment_row, session_row, write_records
from training.filters import TrainSessionFilter
from training.selectors import live_records

VALUES = 4  # Tried on each random world: writing one costs more than asking.

EVERY_LIST = pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
EVERY_FILTER = pytest.mark.parametrize(
    ("listing", "name"),
    [
        pytest.param(listing, name, id=f"{listing.name}-{name}")
        for listing in LISTINGS.values()
        for name in listing.rules
    ],
)
EVERY_ALIAS = pytest.mark.parametrize(("alias", "name"), ALIASES.items(), ids=ALIASES)


@pytest.fixture(autouse=True)
def no_rate_limit(settings: Settings) -> None:
    settings.RATE_LIMIT_TRAIN_SESSIONS = settings.RATE_LIMIT_TRAINING = ""


@EVERY_FILTER
@given(data=st.data())
@EXAMPLES
def test_a_filter_keeps_what_its_contract_says(
    data: st.DataObject, listing: Listing, name: str, api: Api, organization: Organization
) -> None:
    with random_world(data, listing, organization) as world:
        for _ in range(VALUES):
            asked = {name: data.draw(listing.rules[name].values(world))}
            assert listing.shown(api, asked) == listing.expected(world, asked)


@EVERY_LIST
@given(data=st.data())
@settings(EXAMPLES, max_examples=25)
def test_filters_combine_with_and(data: st.DataObject, listing: Listing, api: Api, organization: Organization) -> None:
    pairs = st.lists(st.sampled_from(list(listing.rules)), min_size=2, max_size=2, unique=True)
    with random_world(data, listing, organization) as world:
        for _ in range(VALUES):
            asked = {name: data.draw(listing.rules[name].values(world)) for name in data.draw(pairs)}
            assert listing.shown(api, asked) == listing.expected(world, asked)


@EVERY_ALIAS
@given(data=st.data())
@settings(EXAMPLES, max_examples=5)
def test_a_bare_name_means_the_documented_one(
    data: st.DataObject, alias: str, name: str, api: Api, organization: Organization
) -> None:
    listing = LISTINGS["train_sessions"]
    with random_world(data, listing, organization) as world:
        for _ in range(VALUES):
            value = data.draw(listing.rules[name].values(world))
            assert listing.shown(api, {alias: value}) == listing.expected(world, {name: value})


@EVERY_FILTER
def test_a_filter_of_empty_tables_finds_nothing(listing: Listing, name: str, api: Api) -> None:
    assert listing.shown(api, {name: listing.rules[name].for_example}) == []


@EVERY_FILTER
def test_a_value_that_a_filter_cannot_parse_is_refused_by_name(listing: Listing, name: str, api: Api) -> None:
    rule = listing.rules[name]
    answers = {value: api.get(f"{listing.path}?{urlencode({name: value})}") for value in rule.refuses}
    refusals = {value: f"{name}: {f'{value[:100]}'!r} is not accepted. Give {rule.accepts}." for value in rule.refuses}
    assert {value: (answer.status_code, answer.json()) for value, answer in answers.items()} == {
        value: (400, {"success": False, "message": text} if listing.in_data else {"errors": [text]})
        for value, text in refusals.items()
    }


# By text, what finds it and what does not.
FOUND = {
    "Straße": ("STRASSE", "strasse", "ẞ", "SS", "sS"),
    "STRASSE": ("ß", "straße"),
    "Émil": ("é", "E\u0301", "e\u0301mIL", "ÉMIL"),
    "E\u0301mil": ("é", "É", "e\u0301", "É"),
    "İstanbul": ("i\u0307stanbul", "İSTANBUL", "i"),
    "\u0131s\u0131": ("\u0131s\u0131", "\u0131S\u0131", "S"),
    "300 \u212a": ("300 k", "K", "\u212a"),
    # Composed before it is folded: folding alone would move the accent to another letter.
    "\u1fb4": ("\u03b1\u0345\u0301", "\u1fb4"),
    "ΟΔΟΣ": ("οδος", "οδο\u03c3", "ς"),
    '100 % _a\\b\' "q"': ("%", "_", "\\", "'", '"q"', "% _A\\B'", "100 %"),
}
NOT_FOUND = {
    "Straße": ("strase", "s s", "strasse "),
    "Émil": ("E", "emil", "\u0301"),
    "\u0131s\u0131": ("isi", "ISI", "i"),
    "istanbul": ("\u0131", "İ"),
    "100": ("%", "_", "\\", "1%0", "1_0", "100%", "*", "'"),
}
TEXT_FILTERS = {
    "full_name_cont": "first_name",
    "course_code_or_course_name_cont": "title",
}


@pytest.mark.parametrize(("name", "column"), TEXT_FILTERS.items(), ids=TEXT_FILTERS)
def test_a_text_is_found_ignoring_case_and_nothing_is_a_wildcard(
    name: str, column: str, api: Api, organization: Organization
) -> None:
    listing = LISTINGS["train_sessions"]
    for text in {**FOUND, **NOT_FOUND}:
        with undone():
            ids = write_records([replace(Record(organization, title="-", first_name="-"), **{column: text})])  # type: ignore[arg-type]  # a text
            for found, needles in ((ids, FOUND.get(text, ())), ([], NOT_FOUND.get(text, ()))):
                assert {needle: listing.shown(api, {name: needle}) for needle in needles} == dict.fromkeys(
                    needles, found
                )


@pytest.mark.parametrize(
    ("list_name", "name"),
    [
        ("train_sessions", "full_name_cont"),
        ("train_sessions", "assignee_login_username_eq"),
        ("courses", "search"),
        ("employees", "search"),
        ("employees", "employee_id"),
        ("employees", "email"),
    ],
)
@pytest.mark.parametrize("text", ["a" * 60_000, "%" * 20_000, "\u1fb7" * 7_000], ids=["long", "escaped", "folded"])
def test_a_text_longer_than_any_is_not_found(
    list_name: str, name: str, text: str, api: Api, organization: Organization
) -> None:
    write_records([Record(organization, title="a", first_name="a", username="a")])
    assert LISTINGS[list_name].shown(api, {name: text}) == []


def test_a_course_is_found_by_its_code_or_its_title(api: Api, organization: Organization) -> None:
    first, second, _ = write_records(
        [Record(organization, code="WHMIS"), Record(organization, title="About whmis"), Record(organization)]
    )
    assert LISTINGS["train_sessions"].shown(api, {"course_code_or_course_name_cont": "Whmis"}) == [second, first]


@EVERY_LIST
def test_a_blank_value_means_not_given(listing: Listing, api: Api, organization: Organization) -> None:
    write_records([Record(organization), Record(organization)])
    first, second = Session.objects.bulk_create([session_row(course) for course in Course.objects.all()])
    person = Person.objects.get(train_sessions__course=first.course)
    Enrollment.objects.bulk_create([enrollment_row(first, person), enrollment_row(second, person)])
    everything = listing.shown(api, {})
    names = [*listing.rules, "page", *([] if listing.in_data else ["per_page", "s"])]
    assert len(everything) == 2
    assert listing.shown(api, dict.fromkeys(names, "")) == everything
    assert listing.shown(api, dict.fromkeys(names, " \t ")) == everything
    assert api.get(f"{listing.path}?{names[0]}=&{names[0]}=%20").status_code == 200


def test_a_filter_set_by_itself_keeps_what_the_list_shows(api: Api, organization: Organization) -> None:
    """Lists put conditions together without its form; the declaration means the same either way."""
    write_records([Record(organization, title=f"Title {number}") for number in range(4)])
    rows = live_records(organization)
    for given_values, kept in (
        ({"course_code_or_course_name_cont": ["title 2"]}, 1),
        ({"course_code_or_course_name_cont": ["title"], "score_eq": ["0"]}, 4),
        ({"score_eq": ["101"]}, 0),
        ({"status_eq": ["Assigned"], "complete_by_eq": ["2015-01-01"]}, 0),
    ):
        form = TrainSessionFilter(given_values, queryset=rows, organization=organization)
        shown = LISTINGS["train_sessions"].shown(api, {name: value for name, [value] in given_values.items()})
        assert (sorted(row.pk for row in form.qs), len(shown)) == (sorted(shown), kept)
    assert not TrainSessionFilter({"score_eq": ["x"]}, queryset=rows, organization=organization).is_valid()


# The names.


FILTER_SETS: dict[str, type[StrictFilterSet[Any]]] = {
    "train_sessions": TrainSessionFilter,
    "courses": CourseFilter,
    "sessions": SessionFilter,
    "enrollments": EnrollmentFilter,
    "employees": EmployeeFilter,
}


@EVERY_LIST
def test_every_documented_filter_is_declared_by_its_documented_name(listing: Listing) -> None:
    assert set(FILTER_SETS[listing.name].base_filters) == set(listing.rules)


@EVERY_LIST
def test_every_documented_filter_is_in_the_openapi_document(listing: Listing, client: Client) -> None:
    family = "training" if listing.in_data else "train_sessions"
    operation = client.get(f"/api/schema/{family}").json()["paths"][listing.path]["get"]
    names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
    paging = ["page", "per_page"] if listing.in_data else ["page", "per_page", "s"]
    assert sorted(names) == sorted([*listing.rules, *paging])


def test_the_documents_bare_names_are_the_aliases() -> None:
    assert ({name: dict(filters.aliases) for name, filters in FILTER_SETS.items() if filters.aliases}) == {
        "train_sessions": ALIASES
    }
