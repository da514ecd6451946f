"""Create, move and delete assignments: all or nothing, and every refusal names what it refuses."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import ApiToken, IdempotencyRecord, Organization, Person, PersonKind
from enrollments.models import Course, CourseStatus
from tests.conftest import Api
from tests.factories import OrganizationFactory, UnitFactory
from tests.training.feed import NOON, Query, address, course_of, ids, page, person_of, refusal, row
from training.models import State, TrainSession

pytestmark = pytest.mark.usefixtures("unlimited")

ASSIGNMENTS = "/training-assignments"
DUE = "2999-01-01T09:30:00Z"
DUE_AT = datetime(2999, 1, 1, 9, 30, tzinfo=UTC)
NOBODY = "a4db8702-79d5-4396-a717-e301d52ecc11"
WRITTEN = pytest.mark.parametrize("written", [",".join, list], ids=["commas", "repeated"])


def send(api: Api, method: str, query: Query, **headers: str) -> Any:
    return api.request(method, address(ASSIGNMENTS, query), **headers)


def learner(person: Person) -> str:
    return f"{person.kind}-{person.pk}"


def ledger() -> list[dict[str, Any]]:
    """Every column of every record: what a refusal must leave as it was."""
    return [dict(record) for record in TrainSession.objects.order_by("pk").values()]


def author() -> str:
    return f"token-{ApiToken.objects.get().pk}"


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@WRITTEN
def test_create_opens_records_in_the_order_given_and_marks_existing_ones(
    organization: Organization, api: Api, written: Callable[[list[str]], object]
) -> None:
    course = course_of(organization)
    driver, holder, user = (person_of(organization, kind=kind) for kind in ("driver", "user", "user"))
    existing = row(organization, course=course, person=holder, state=State.FAILED, created_by="user-8")
    row(organization, course=course, person=driver, state=State.COMPLETED)
    kept = TrainSession.objects.filter(pk=existing.pk).values().get()
    learners = [learner(user), learner(holder), learner(driver), learner(user)]
    answer = send(api, "post", {"courseId": course.uuid, "dueAtTime": DUE, "learnerIds": written(learners)})
    made = {one.person_id: one for one in TrainSession.objects.open()}
    shared = {"course": {"id": str(course.uuid), "revisionId": str(course.revision)}}
    expected = [
        {
            "id": str(made[person.pk].uuid),
            **shared,
            "learner": {"id": learner(person), "type": person.kind},
            "createdAtTime": instant(made[person.pk].created_at),
            **({"createdById": "user-8"} if person == holder else {"createdById": author(), "dueAtTime": DUE}),
            "isExistingAssignment": person == holder,
        }
        for person in (user, holder, driver)
    ]
    assert (answer.status_code, answer.json()) == (200, {"data": expected})
    assert TrainSession.objects.filter(pk=existing.pk).values().get() == kept
    for person in (user, driver):
        new = made[person.pk]
        assert (new.state, new.due_at, new.overdue, new.unassigned_at) == (State.ASSIGNED, DUE_AT, False, None)
        assert (new.created_by, new.updated_by) == (author(), author())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2999-01-01T09:30:00.123Z", "2999-01-01T09:30:00.123000Z"),
        ("2999-01-01T09:30:00.123456-04:00", "2999-01-01T13:30:00.123456Z"),
        ("2999-01-01t09:30:00z", "2999-01-01T09:30:00Z"),
    ],
)
@pytest.mark.parametrize("method", ["post", "patch"])
def test_due_instant_is_kept_as_given(organization: Organization, api: Api, method: str, given: str, kept: str) -> None:
    organization.time_zone = "America/New_York"
    organization.save()
    record = row(organization)
    query: dict[str, object] = {"ids": record.uuid}
    if method == "post":
        query = {"courseId": course_of(organization).uuid, "learnerIds": learner(record.person)}
    answer = send(api, method, {**query, "dueAtTime": given})
    assert [shown["dueAtTime"] for shown in answer.json()["data"]] == [kept]
    assert page(api, startTime="2026-06-01T00:00:00Z")["data"][0]["dueAtTime"] == kept


def test_record_created_past_its_due_time_is_overdue_from_the_start(organization: Organization, api: Api) -> None:
    query = {"courseId": course_of(organization).uuid, "dueAtTime": instant(NOON), "learnerIds": ""}
    send(api, "post", {**query, "learnerIds": learner(person_of(organization))})
    # By the write itself: were it marked by the read that follows, the system would have changed it last.
    shown = [(one["isOverdue"], one["updatedById"]) for one in page(api, isOverdue="true")["data"]]
    assert shown == [(True, author())]


@WRITTEN
def test_move_changes_the_due_time_of_all_in_the_order_given(
    organization: Organization, api: Api, written: Callable[[list[str]], object]
) -> None:
    states = (State.ASSIGNED, State.IN_PROGRESS, State.FAILED)
    made = [row(organization, state=state, due_at=NOON, overdue=True) for state in states]
    untouched = TrainSession.objects.filter(pk=row(organization).pk).values().get()
    wanted = [str(one.uuid) for one in reversed(made)]
    start = timezone.now()
    answer = send(api, "patch", {"ids": written([*wanted, wanted[0]]), "dueAtTime": DUE})
    assert answer.status_code == 200
    shown = answer.json()["data"]
    assert [one["id"] for one in shown] == wanted
    assert {(one["dueAtTime"], one["isOverdue"], one["updatedById"]) for one in shown} == {(DUE, False, author())}
    # The feed tells the same, as changes of now.
    changed = page(api, startTime=instant(start))["data"]
    assert sorted(changed, key=lambda one: one["id"]) == sorted(shown, key=lambda one: one["id"])
    assert TrainSession.objects.filter(pk=untouched["id"]).values().get() == untouched


def test_move_into_the_past_makes_overdue_at_once(organization: Organization, api: Api) -> None:
    record = row(organization)
    shown = send(api, "patch", {"ids": record.uuid, "dueAtTime": instant(NOON)}).json()["data"]
    assert [one["isOverdue"] for one in shown] == [True]


@WRITTEN
def test_delete_unassigns_all_and_the_feed_shows_them_deleted(
    organization: Organization, api: Api, written: Callable[[list[str]], object]
) -> None:
    course = course_of(organization, uses_units=True)
    unit = UnitFactory.create(course=course)
    states = (State.ASSIGNED, State.IN_PROGRESS, State.FAILED)
    made = [row(organization, state=state) for state in states] + [row(organization, course=course, unit=unit)]
    gone = TrainSession.objects.filter(pk=row(organization, unassigned_at=NOON).pk).values().get()
    start = timezone.now()
    wanted = [str(one.uuid) for one in made]
    answer = send(api, "delete", {"ids": written([*wanted, str(gone["uuid"]), wanted[0]])})
    assert (answer.status_code, answer.content, "Content-Type" in answer.headers) == (204, b"", False)
    shown = page(api, startTime=instant(start))["data"]
    assert [one["id"] for one in shown] == wanted
    assert all(start <= datetime.fromisoformat(one["deletedAtTime"]) <= timezone.now() for one in shown)
    assert {one["updatedById"] for one in shown} == {author()}
    assert not TrainSession.objects.filter(unit=unit).exists()
    # What was gone before stays as it was: one deletion is one change.
    assert TrainSession.objects.filter(pk=gone["id"]).values().get() == gone


def test_delete_again_is_fine_and_changes_nothing(organization: Organization, api: Api) -> None:
    record = row(organization)
    assert send(api, "delete", {"ids": record.uuid}).status_code == 204
    before = ledger()
    assert send(api, "delete", {"ids": record.uuid}).status_code == 204
    assert ledger() == before


class Stage:
    """One record of each kind that a write can meet, and one that it would change."""

    def __init__(self, organization: Organization) -> None:
        self.fine = row(organization)
        self.completed = row(organization, state=State.COMPLETED)
        self.gone = row(organization, unassigned_at=NOON)
        self.foreign = row(OrganizationFactory.create())
        self.inactive = person_of(organization, kind=PersonKind.DRIVER)
        Person.objects.filter(pk=self.inactive.pk).update(active=False)
        self.course = course_of(organization)
        self.archived = course_of(organization, status=CourseStatus.ARCHIVED)
        self.deleted = course_of(organization, status=CourseStatus.DELETED)
        self.with_units = course_of(organization, code="U-1", uses_units=True)

    def post(self, *more: str, course: Course | None = None) -> Query:
        course_id = (course or self.course).uuid
        return {"courseId": course_id, "dueAtTime": DUE, "learnerIds": [learner(self.fine.person), *more]}

    def named(self, *more: object) -> Query:
        return {"ids": [self.fine.uuid, *more], "dueAtTime": DUE}


# What is asked, and the whole sentence that it is refused with.
Refused = tuple[str, Callable[[Stage], Query], Callable[[Stage], str]]
REFUSED: dict[str, Refused] = {
    "create: unknown course": (
        "post",
        lambda on: {**on.post(), "courseId": NOBODY},
        lambda _: f"courseId: There is no course {NOBODY}.",
    ),
    "create: course of another organization": (
        "post",
        lambda on: on.post(course=on.foreign.course),
        lambda on: f"courseId: There is no course {on.foreign.course.uuid}.",
    ),
    "create: archived course": (
        "post",
        lambda on: on.post(course=on.archived),
        lambda on: f"courseId: Course {on.archived.uuid} is archived; it cannot be assigned.",
    ),
    "create: deleted course": (
        "post",
        lambda on: on.post(course=on.deleted),
        lambda on: f"courseId: Course {on.deleted.uuid} is deleted; it cannot be assigned.",
    ),
    "create: no unit": (
        "post",
        lambda on: on.post(course=on.with_units),
        lambda _: "Not enough units of the course: 1 needed, 0 free.",
    ),
    "create: unknown learners": (
        "post",
        lambda on: on.post("driver-999999999", learner(on.foreign.person)),
        lambda on: (
            "learnerIds: There is no learner driver-999999999. "
            f"learnerIds: There is no learner {learner(on.foreign.person)}."
        ),
    ),
    "create: learner of the other kind": (
        "post",
        lambda on: on.post(f"user-{on.inactive.pk}"),
        lambda on: f"learnerIds: There is no learner user-{on.inactive.pk}.",
    ),
    "create: inactive learner": (
        "post",
        lambda on: on.post(learner(on.inactive)),
        lambda on: f"learnerIds: Learner driver-{on.inactive.pk} is inactive.",
    ),
    "create: no learner": ("post", lambda on: {**on.post(), "learnerIds": ","}, lambda _: "learnerIds: Required."),
    "create: no due time": ("post", lambda on: {**on.post(), "dueAtTime": ""}, lambda _: "dueAtTime: Required."),
    "create: no course": ("post", lambda on: {**on.post(), "courseId": ""}, lambda _: "courseId: Required."),
    "create: two courses": (
        "post",
        lambda on: {**on.post(), "courseId": [on.course.uuid, on.archived.uuid]},
        lambda _: "courseId: Given more than once. Give one value.",
    ),
    "create: learner id of another form": (
        "post",
        lambda on: on.post("EMP-1"),
        lambda _: "learnerIds: 'EMP-1' is not accepted. Give ids such as driver-281474.",
    ),
    "create: due time of another form": (
        "post",
        lambda on: {**on.post(), "dueAtTime": "2999-01-01"},
        lambda _: (
            "dueAtTime: '2999-01-01' is not accepted. Give an RFC 3339 time such as 2019-06-13T19:08:25Z."
        ),
    ),
    "create: over a hundred": (
        "post",
        lambda on: on.post(*[f"driver-{10**9 + number}" for number in range(100)]),
        lambda _: "learnerIds: At most 100; 101 were given.",
    ),
    "move: unknown": (
        "patch",
        lambda on: on.named(NOBODY, on.foreign.uuid),
        lambda on: f"ids: There is no assignment {NOBODY}. ids: There is no assignment {on.foreign.uuid}.",
    ),
    "move: completed and gone": (
        "patch",
        lambda on: on.named(on.completed.uuid, on.gone.uuid),
        lambda on: (
            f"ids: There is no assignment {on.gone.uuid}. "
            f"ids: Assignment {on.completed.uuid} is completed; it stays as it is."
        ),
    ),
    "move: no ids": ("patch", lambda _: {"dueAtTime": DUE}, lambda _: "ids: Required."),
    "move: no due time": ("patch", lambda on: {"ids": on.fine.uuid}, lambda _: "dueAtTime: Required."),
    "move: no uuid": (
        "patch",
        lambda on: on.named("17"),
        lambda _: "ids: '17' is not accepted. Give uuids.",
    ),
    "move: over a hundred": (
        "patch",
        lambda on: on.named(*[uuid4() for _ in range(100)]),
        lambda _: "ids: At most 100; 101 were given.",
    ),
    "delete: unknown": (
        "delete",
        lambda on: {"ids": f"{on.fine.uuid},{NOBODY}"},
        lambda _: f"ids: There is no assignment {NOBODY}.",
    ),
    "delete: of another organization": (
        "delete",
        lambda on: {"ids": [on.fine.uuid, on.foreign.uuid]},
        lambda on: f"ids: There is no assignment {on.foreign.uuid}.",
    ),
    "delete: completed": (
        "delete",
        lambda on: {"ids": [on.fine.uuid, on.gone.uuid, on.completed.uuid]},
        lambda on: f"ids: Assignment {on.completed.uuid} is completed; it stays as it is.",
    ),
    "delete: no ids": ("delete", lambda _: {"ids": ","}, lambda _: "ids: Required."),
    "delete: over a hundred": (
        "delete",
        lambda _: {"ids": ",".join(str(uuid4()) for _ in range(101))},
        lambda _: "ids: At most 100; 101 were given.",
    ),
    "delete: unknown parameter": (
        "delete",
        lambda on: {"ids": on.fine.uuid, "reason": "gone"},
        lambda _: "reason: Unknown parameter. Known: ids.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_write_says_what_it_refuses_and_changes_nothing(
    organization: Organization, api: Api, name: str
) -> None:
    method, query, sentence = REFUSED[name]
    stage = Stage(organization)
    before = ledger()
    answer = send(api, method, query(stage))
    assert refusal(answer) == sentence(stage)
    assert ledger() == before


@WRITTEN
def test_hundred_ids_are_taken(organization: Organization, api: Api, written: Callable[[list[str]], object]) -> None:
    course, other = course_of(organization), course_of(organization)
    people = [person_of(organization) for _ in range(100)]
    learners = written([learner(person) for person in people])
    made = send(api, "post", {"courseId": course.uuid, "dueAtTime": DUE, "learnerIds": learners}).json()["data"]
    assert [one["learner"]["id"] for one in made] == [learner(person) for person in people]
    wanted = [one["id"] for one in made]
    row(organization, course=other)
    moved = send(api, "patch", {"ids": written(wanted), "dueAtTime": DUE}).json()["data"]
    assert [one["id"] for one in moved] == wanted
    assert send(api, "delete", {"ids": written(wanted)}).status_code == 204
    assert TrainSession.objects.open().count() == 1
    assert ids(page(api, courseIds=str(course.uuid))) == wanted


def test_unknown_key_in_a_body_is_a_400_here(organization: Organization, api: Api) -> None:
    record = row(organization)
    before = ledger()
    answer = api.request("delete", address(ASSIGNMENTS, {"ids": record.uuid}), {"reason": "gone"})
    assert refusal(answer).startswith("reason: Unknown key.")
    assert ledger() == before


def test_idempotency_key_gives_the_first_answer_again(organization: Organization, api: Api) -> None:
    query = {"courseId": course_of(organization).uuid, "dueAtTime": DUE, "learnerIds": learner(person_of(organization))}
    first = send(api, "post", query, Idempotency_Key="one")
    before = ledger()
    again = send(api, "post", query, Idempotency_Key="one")
    assert (again.status_code, again.content) == (200, first.content)
    assert ledger() == before
    # Without the key it is another request, which finds the assignment there.
    assert [one["isExistingAssignment"] for one in send(api, "post", query).json()["data"]] == [True]


def test_idempotency_key_for_another_request_is_a_400_here(organization: Organization, api: Api) -> None:
    one, two = row(organization), row(organization)
    assert send(api, "delete", {"ids": one.uuid}, Idempotency_Key="one").status_code == 204
    before = ledger()
    answer = send(api, "delete", {"ids": two.uuid}, Idempotency_Key="one")
    assert refusal(answer) == "This Idempotency-Key was used for another request."
    assert ledger() == before


def test_refusal_is_not_remembered_under_its_key(organization: Organization, api: Api) -> None:
    record = row(organization, state=State.COMPLETED)
    refused = send(api, "delete", {"ids": record.uuid}, Idempotency_Key="one")
    assert refusal(refused) == f"ids: Assignment {record.uuid} is completed; it stays as it is."
    assert list(IdempotencyRecord.objects.all()) == []
    assert send(api, "delete", {"ids": row(organization).uuid}, Idempotency_Key="one").status_code == 204


def test_deleted_assignment_can_be_made_again_as_a_new_one(organization: Organization, api: Api) -> None:
    record = row(organization, created_at=timezone.now() - timedelta(days=1))
    assert send(api, "delete", {"ids": record.uuid}).status_code == 204
    query = {"courseId": record.course.uuid, "dueAtTime": DUE, "learnerIds": learner(record.person)}
    [made] = send(api, "post", query).json()["data"]
    assert (made["isExistingAssignment"], made["id"] == str(record.uuid)) == (False, False)
    found = page(api)["data"]
    assert [(one["id"], "deletedAtTime" in one) for one in found] == [(str(record.uuid), True), (made["id"], False)]
