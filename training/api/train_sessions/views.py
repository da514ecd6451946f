"""The Train Sessions API: parse → service or selector → present."""

import re
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.api.bodies import FORMS, JSON, media_type, read_body, read_json
from accounts.api.endpoint import Endpoint
from accounts.api.errors import ApiError
from accounts.api.openapi import documented, page_parameters
from accounts.api.query import Given, addresses_of_pages, read_page, read_query, shown
from accounts.api.resource import Selection
from accounts.api.streaming import json_array
from enrollments.errors import TooManyIds
from training import selectors
from training.api.train_sessions import serializers
from training.api.train_sessions.dialect import TrainSessionsDialect
from training.api.train_sessions.serializers import IDS_IN_A_CALL, TRAIN_SESSIONS
from training.errors import RecordUnknown
from training.filters import TrainSessionFilter
from training.services import records

PAGE_SIZE, BIGGEST_PAGE = 64, 1000
PAGING = ("page", "per_page")
SORT = re.compile(rf"(?P<key>{'|'.join(selectors.SORT_KEYS)})(?: (?P<direction>asc|desc))?")
NEWEST_FIRST = selectors.SortedBy("id", descending=True)
# Of the answer to a paged request.
PAGE_HEADERS = [
    OpenApiParameter(name, schema, OpenApiParameter.HEADER, response=[200], description=f"Of a page: {text}.")
    for name, schema, text in (
        ("Link", {"type": "string"}, "where the first, previous, last and next ones are (RFC 8288)"),
        ("Total", {"type": "integer", "minimum": 0}, "how many rows there are on all"),
        ("Per-Page", {"type": "integer", "minimum": 1, "maximum": BIGGEST_PAGE}, "how many rows one has"),
    )
]
Ids = list[int]
IDS_ALIASES = {"ids[]": "ids"}


class TrainSessionViewSet(Endpoint):
    dialect = TrainSessionsDialect()

    @documented(
        "List train sessions",
        "The complete list, newest first, unless `page` or `per_page` is given. Filters combine with AND. `_gt` and "
        "`_lt` are inclusive. Days are days of the organization's time zone.",
        answers=TRAIN_SESSIONS.serializer(many=True),
        filters=TrainSessionFilter,
        parameters=[
            *page_parameters(biggest=BIGGEST_PAGE, size=None),
            *PAGE_HEADERS,
            OpenApiParameter(
                "s",
                {"type": "string", "pattern": f"^{SORT.pattern}$".replace("?P<key>", "").replace("?P<direction>", "")},
                description="(ours) Sort, on paged requests: a key, `asc` or `desc`. Rows without a value come last.",
            ),
        ],
    )
    def list(self, request: Request) -> HttpResponseBase:
        filters = set(TrainSessionFilter.base_filters)
        given = read_query(self.http, known=filters | {*PAGING, "s"}, aliases=TrainSessionFilter.aliases)
        chosen = TRAIN_SESSIONS.of(self.organization, TrainSessionFilter.asked(given, self.organization))
        if any(name in given for name in PAGING):
            return self.page(chosen, given)
        if "s" in given:
            raise ApiError.bad_query({"s": ["Sorts paged requests only. Give page or per_page too."]})
        return json_array(chosen)

    def page(self, chosen: Selection, given: Given) -> HttpResponse:
        page = read_page(given, size=PAGE_SIZE, max_size=BIGGEST_PAGE)
        found, total = chosen.page(offset=page.offset, limit=page.size, arrange=self.order_of(given))
        last = max(-(-total // page.size), 1)
        numbers = {"first": 1, "prev": min(page.number - 1, last), "last": last, "next": page.number + 1}
        applies = {"first": True, "prev": page.number > 1, "last": True, "next": page.number < last}
        address = addresses_of_pages(self.http)
        links = [f'<{address(number)}>; rel="{rel}"' for rel, number in numbers.items() if applies[rel]]
        response = self.json(found.objects)
        response["Link"] = ", ".join(links)
        response["Total"] = str(total)
        response["Per-Page"] = str(page.size)
        return response

    def order_of(self, given: Given) -> selectors.SortedBy | None:
        """None: as the list is."""
        text = given.get("s", ["id desc"])[0]
        match = SORT.fullmatch(text)
        if match is None:
            keys = ", ".join(selectors.SORT_KEYS)
            raise ApiError.bad_query({"s": [f"{shown(text)!r} is not accepted. Give one of {keys}; then asc or desc."]})
        order = selectors.SortedBy(match["key"], descending=match["direction"] == "desc")
        return None if order == NEWEST_FIRST else order

    def one(self, pk: int) -> HttpResponse:
        found = TRAIN_SESSIONS.of(self.organization).among([pk])
        if not found:
            raise RecordUnknown(pk)
        return self.json(found[0])

    @documented("Show a train session", answers=TRAIN_SESSIONS.serializer)
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        return self.one(self.object_id(pk))

    @documented(
        "Start a train session, or say how far it is (ours)",
        "`time_spent` is the total, in hours. Progress of 100 percent completes nothing: an attempt that passes does.",
        takes=serializers.ProgressBody,
        answers=TRAIN_SESSIONS.serializer,
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        body = read_body(self.http, serializers.ProgressBody)
        record = records.progress(
            organization=self.organization, actor=self.actor, record_id=self.object_id(pk), **body
        )
        return self.one(record.pk)

    @documented(
        "Enter an attempt (ours)",
        "Passed, as given or because the score reaches the course's pass score, completes the record. `time_spent` is "
        "this attempt's own, in hours, and is added to the record's.",
        takes=serializers.AttemptBody,
        answers=TRAIN_SESSIONS.serializer,
    )
    def attempt(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        body = read_body(self.http, serializers.AttemptBody)
        record = records.attempt(organization=self.organization, actor=self.actor, record_id=self.object_id(pk), **body)
        return self.one(record.pk)

    @documented(
        "Unassign train sessions",
        "All or nothing. `ids` in the query (`ids=[1,2]`, `ids=1,2`, repeated, or as `ids[]`), in a form, or in a JSON "
        "body; or `course_codes` and `login_id` in a JSON body. At most 1,000 ids. Completed records are refused.",
        takes={JSON: serializers.UNASSIGN_BODY, **dict.fromkeys(FORMS, serializers.UNASSIGN_FORM)},
        bodiless=True,
        answers=serializers.UnassignedSerializer,
        parameters=[
            OpenApiParameter("ids", serializers.IDS_IN_TEXT, description="Also as `[1,2]`, and as `1,2`."),
        ],
    )
    def unassign(self, request: Request) -> HttpResponse:
        by_query = read_query(self.http, known={"ids"}, aliases=IDS_ALIASES, repeatable={"ids"}).get("ids")
        by_body = self.body_to_unassign()
        if by_query is not None and self.http.body and by_body != {}:
            raise ApiError(400, ["Ids in the query and a body: give one of the two."], code="invalid_query")
        if by_query is not None:
            return self.unassign_ids(ids_in(by_query))
        if "course_codes" in by_body:
            unassigned = records.unassign_courses(
                organization=self.organization,
                actor=self.actor,
                course_codes=by_body["course_codes"],
                person_id=by_body["login_id"],
            )
            return self.json({"unassigned": unassigned, "count": len(unassigned)})
        return self.unassign_ids(by_body.get("ids", []))

    def body_to_unassign(self) -> dict[str, Any]:
        if not self.http.body:
            return {}
        if media_type(self.http) in FORMS:
            return self.form_to_unassign()
        body = read_json(self.http)
        courses = isinstance(body, dict) and bool({"course_codes", "login_id"} & set(body))
        return read_body(self.http, serializers.UnassignCoursesBody if courses else serializers.UnassignIdsBody)

    def form_to_unassign(self) -> dict[str, Any]:
        values = []
        if (self.http.content_params or {}).get("charset", "utf-8").lower() != "utf-8":
            raise ApiError(400, ["The request cannot be read."])
        if self.http.FILES:
            raise ApiError.invalid({shown(name): ["A file is not taken here."] for name in self.http.FILES})
        for written, given in self.http.POST.lists():
            if IDS_ALIASES.get(written, written) != "ids":
                raise ApiError.invalid({shown(written): ["Unknown key. Known: ids."]})
            values += [value for value in given if isinstance(value, str) and value.strip()]
        return {"ids": ids_in(values)} if values else {}

    def unassign_ids(self, ids: Ids) -> HttpResponse:
        if not ids:
            raise ApiError(422, ["Give the ids of the train sessions to unassign."], code="no_ids")
        if len(set(ids)) > IDS_IN_A_CALL:
            raise TooManyIds(given=len(set(ids)), limit=IDS_IN_A_CALL)
        unassigned = records.unassign(organization=self.organization, actor=self.actor, ids=ids)
        return self.json({"unassigned": unassigned, "count": len(unassigned)})


def ids_in(values: list[str]) -> list[int]:
    """`["[1,2]"]`, `["1,2"]`, `["1", "2"]`. Raises ApiError 400."""
    ids: list[int] = []
    for value in values:
        inner = value.strip()
        if inner.startswith("[") and inner.endswith("]"):
            inner = inner[1:-1]
        for item in inner.split(",") if inner.strip() else []:
            text = item.strip()
            if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
                raise ApiError.bad_query({"ids": [f"{shown(text)!r} is not accepted. Give whole numbers."]})
            ids.append(int(text))
    return ids
