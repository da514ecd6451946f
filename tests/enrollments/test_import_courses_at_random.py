"""import_courses on random small files: a dry run, chunks of any size and one course at a time come to the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings, strategies as st

from accounts.actors import Actor
from accounts.bulk import InputRow, RowOutcome
from accounts.errors import FieldsRefused
from accounts.models import Organization
from accounts.services import importing as chunks
from accounts.wording import describe
from enrollments.models import Course
from enrollments.services import catalogue
from enrollments.services.importing import import_courses
from tests.enrollments.imported_courses import CIRCLE, State, state
from tests.factories import CourseFactory, OrganizationFactory

ACTOR = Actor.system()

CODES = ("A", "B", "C", "D", "E")
REQUIRED = st.lists(st.sampled_from([*CODES, "X"]), max_size=3).map(";".join)
CELLS = {
    "title": st.sampled_from(["T", "T", "T", "U", ""]),
    "category": st.sampled_from(["safety", "safety", "Compliance", "x"]),
    "prerequisites": REQUIRED,
    "duration_hours": st.sampled_from(["", "1", "2.5", "x"]),
}


@st.composite
def files(draw: st.DrawFn) -> tuple[list[str], list[InputRow]]:
    columns = ["code", *draw(st.lists(st.sampled_from(list(CELLS)), unique=True, min_size=2))]
    cells = st.fixed_dictionaries({"code": st.sampled_from(CODES), **{name: CELLS[name] for name in columns[1:]}})
    return columns, [InputRow(line, row) for line, row in enumerate(draw(st.lists(cells, min_size=1, max_size=7)), 2)]


# Which courses are there, and which each requires: of those before it, so that there is no circle.
BEFORE = st.lists(st.tuples(st.sampled_from(CODES[:3]), st.booleans()), unique_by=lambda one: one[0], max_size=3)
Before = list[tuple[str, bool]]
Told = list[tuple[int, str, str, str]]


def prepared(before: Before) -> Organization:
    organization, earlier = OrganizationFactory.create(), list[Course]()
    for code, requires in before:
        required = earlier[-1:] if requires else []
        earlier.append(CourseFactory.create(organization=organization, code=code, title="T", prerequisites=required))
    return organization


def imported(before: Before, columns: list[str], rows: list[InputRow], *, chunk: int) -> tuple[Told, State, Told]:
    """What was told of the rows, the courses then, and what was told of the rows of a dry run before it."""

    def said(outcomes: Sequence[RowOutcome]) -> Told:
        return [(one.line, one.key, one.outcome, one.reason) for one in outcomes]

    told: list[RowOutcome] = []
    guess: list[RowOutcome] = []
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(chunks, "CHUNK", chunk)
        organization = prepared(before)
        asked: dict[str, Any] = {"organization": organization, "actor": ACTOR, "columns": columns, "rows": rows}
        import_courses(**asked, dry_run=True, tell=guess.extend)
        import_courses(**asked, tell=told.extend)
        after = state(organization)
        transaction.set_rollback(True)
    return said(told), after, said(guess)


RANDOM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RANDOM
@given(before=BEFORE, file=files(), chunk=st.sampled_from([2, 3]))
def test_import_courses_dry_run_says_what_the_real_run_does_and_chunks_change_nothing(
    db: None, before: Before, file: tuple[list[str], list[InputRow]], chunk: int
) -> None:
    told, after, guess = imported(before, *file, chunk=chunk)
    assert guess == told
    assert imported(before, *file, chunk=2000) == (told, after, told)


@RANDOM
@given(before=BEFORE, file=files())
def test_import_courses_lists_prerequisites_as_the_services_for_one_course_do(
    db: None, before: Before, file: tuple[list[str], list[InputRow]]
) -> None:
    """Of the rows that are refused for their prerequisites only, and of those that are not refused."""
    columns, rows = file
    told, after, _ = imported(before, columns, rows, chunk=2000)
    circle = describe(FieldsRefused({"prerequisites": [CIRCLE]}))
    with transaction.atomic():
        organization = prepared(before)
        for row, (_, code, verdict, reason) in zip(rows, told, strict=True):
            if "prerequisites" not in columns or (verdict == "refused" and reason != circle):
                continue
            course = Course.objects.filter(organization=organization, code=code).first()
            if course is None:
                if verdict == "refused":
                    continue
                course = CourseFactory.create(organization=organization, code=code)
            required = Course.objects.filter(organization=organization, code__in=row.cells["prerequisites"].split(";"))
            asked: dict[str, Any] = {"organization": organization, "actor": ACTOR, "course": course, "changes": {}}
            try:
                catalogue.update_course(**asked, prerequisites=list(required))
                refused = ""
            except FieldsRefused as refusal:
                refused = describe(refusal)
            assert (verdict == "refused", reason) == (bool(refused), refused)
        listed = {code: values[-1] for code, values in state(organization).items()}
        transaction.set_rollback(True)
    if "prerequisites" in columns:
        assert listed == {code: values[-1] for code, values in after.items()}
