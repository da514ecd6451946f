"""unassign: no more at once than allowed, and all of it or nothing."""

import signal
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.bulk import InputRow, RowOutcome
from accounts.models import Organization
from tests.acts import complete
from tests.commands import Outcome, outcome
from tests.factories import (
    OrganizationFactory,
)
from tests.snapshots import NOW
from tests.training import operations as written
from tests.training.operations import Run, assigned, owing, taken
from training.errors import TooManyAtOnce
from training.models import TrainSession
from training.services import unassigning
from training.services.unassigning import OpenRecords, unassign_acceptable
from training.wording import describe

ACTOR = Actor.system()

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this organization, of as many records as it is given."""

    def call(
        *, organization: str = organization.slug, reason: str = "moved on", max_percent: str = "100", **options: Any
    ) -> Outcome:
        return outcome(capsys, "unassign", organization=organization, reason=reason, max_percent=max_percent, **options)

    return call


def completed(organization: Organization) -> TrainSession:
    return complete(assigned(organization))


def ending() -> str:
    number = written.last_operation()
    return f" Operation {number}.\nmanage.py undo {number} restores what it took away.\n"


# How many at once.


TOO_MANY = "This would unassign {}. Nothing was unassigned. Raise --max-percent if that is meant."


@pytest.mark.parametrize(
    ("count", "max_percent", "refused"),
    [
        (2, "10", ""),
        (3, "10", "3 of 20 open records, 15 percent; the limit is 10"),
        (3, "14.9", "3 of 20 open records, 15 percent; the limit is 14.9"),
        (3, "14.99", "3 of 20 open records, 15 percent; the limit is 14.99"),
        (3, "15.0", ""),
        (1, "0", "1 of 20 open records, 5 percent; the limit is 0"),
        (20, "99.9", "20 of 20 open records, 100 percent; the limit is 99.9"),
        (20, "100", ""),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("by_filter", [False, True])
def test_unassign_takes_no_more_at_once_than_allowed(
    organization: Organization,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    count: int,
    max_percent: str,
    refused: str,
    dry_run: bool,
    by_filter: bool,
) -> None:
    """Of this organization's open records, counted before. The limit itself is allowed; rows in pieces count together."""
    monkeypatch.setattr(unassigning, "BATCH", 2)
    chosen = owing(organization, count, code="THIS")
    owing(organization, 20 - count)
    completed(organization)
    assigned(OrganizationFactory.create())
    before = written.records()
    which = {"course": "THIS"} if by_filter else {"ids": ",".join(str(pk) for pk in chosen)}
    result = run(**which, max_percent=max_percent, dry_run=dry_run)
    if refused:
        assert result == Outcome(1, "", TOO_MANY.format(refused))
    else:
        assert result.status == 0
    if refused or dry_run:
        assert (written.records(), written.operations()) == (before, [])
    else:
        assert taken() == set(chosen)


def test_unassign_takes_a_tenth_at_most_unless_told_otherwise(
    organization: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = owing(organization, 11)
    options = {"organization": organization.slug, "reason": "x"}
    message = TOO_MANY.format("2 of 11 open records, 18.2 percent; the limit is 10")
    assert outcome(capsys, "unassign", **options, ids=f"{chosen[0]},{chosen[1]}") == Outcome(1, "", message)
    assert outcome(capsys, "unassign", **options, ids=str(chosen[0])).status == 0
    assert taken() == {chosen[0]}


@pytest.mark.parametrize(
    ("count", "of", "limit", "share"),
    [
        (120, 900, "10", "120 of 900 open records, 13.3 percent; the limit is 10."),
        (10_004, 100_000, "10.0", "10,004 of 100,000 open records, 10.004 percent; the limit is 10."),
        (1, 1, "99.50", "1 of 1 open record, 100 percent; the limit is 99.5."),
    ],
)
def test_too_many_at_once_are_never_said_to_be_the_limit(count: int, of: int, limit: str, share: str) -> None:
    refusal = TooManyAtOnce(count=count, of=of, limit=Decimal(limit))
    assert describe(refusal) == f"This would unassign {share} Nothing was unassigned."


def test_unassign_counts_no_row_twice_or_refused_against_the_limit(organization: Organization, run: Run) -> None:
    chosen = owing(organization, 10)
    assert run(ids=f"{chosen[0]},{chosen[0]},999999", max_percent="10").status == 2
    assert taken() == {chosen[0]}


@pytest.mark.parametrize("max_percent", ["0", "10"])
def test_unassign_of_nothing_open_is_within_any_limit(organization: Organization, run: Run, max_percent: str) -> None:
    history = completed(organization)
    result = run(ids=str(history.pk), max_percent=max_percent)
    assert (result.status, result.error) == (1, "Nothing was unassigned.")


# At once, or not at all.


def test_unassign_goes_through_a_long_list_in_pieces(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one transaction: they bear one stamp. A repetition is known across the pieces."""
    monkeypatch.setattr(unassigning, "BATCH", 2)
    made = owing(organization, 5)
    assert run(ids=",".join(str(pk) for pk in [*made, made[0]])) == Outcome(
        0, f"5 unassigned, 0 refused, 1 repeated.{ending()}", ""
    )
    assert TrainSession.objects.values("updated_at").distinct().count() == 1
    assert [line[0] for line in written.lines(written.last_operation())] == [1, 2, 3, 4, 5, 6]


def test_unassign_goes_through_what_filters_select_in_pieces(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unassigning, "BATCH", 2)
    made = owing(organization, 5)
    assert run(status="assigned").status == 0
    assert [line[:2] for line in written.lines(written.last_operation())] == [
        (line, str(pk)) for line, pk in enumerate(made, start=1)
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_unassign_interrupted_leaves_nothing_and_says_so(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, number: signal.Signals
) -> None:
    made = owing(organization, 3)
    monkeypatch.setattr(unassigning, "BATCH", 1)
    seen: list[int] = []

    def interrupted(writer: Any, rows: list[InputRow], first: Any, real: Any = unassigning._sorted_out) -> Any:  # noqa: SLF001
        seen.extend(row.line for row in rows)
        if seen == [1, 2]:
            signal.raise_signal(number)
        return real(writer, rows, first)

    monkeypatch.setattr(unassigning, "_sorted_out", interrupted)
    before = written.records()
    report = tmp_path / "report.csv"
    result = run(ids=",".join(str(pk) for pk in made), report=report)
    assert result == Outcome(1, "", "Interrupted. Nothing was done.")
    assert (written.records(), written.operations(), seen, list(tmp_path.iterdir())) == (before, [], [1, 2], [])


@pytest.mark.parametrize("by_filter", [False, True])
def test_unassign_asks_as_often_for_many_rows_as_for_one(organization: Organization, *, by_filter: bool) -> None:
    def queries(count: int) -> int:
        made = owing(organization, count, code=f"C-{count}")
        which: Any = (
            OpenRecords(course_code=f"C-{count}")
            if by_filter
            else [InputRow(line, {"id": str(pk)}) for line, pk in enumerate(made, start=1)]
        )
        with CaptureQueriesContext(connection) as asked:
            done = unassign_acceptable(
                organization=organization, actor=ACTOR, which=which, reason="x", max_percent=Decimal(100)
            )
        assert done.counts == {"unassigned": count}
        return len(asked)

    assert queries(1) == queries(50)


def test_unassign_tells_of_rows_in_their_order(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unassigning, "BATCH", 2)
    made = owing(organization, 3)
    told: list[list[RowOutcome]] = []
    unassign_acceptable(
        organization=organization,
        actor=ACTOR,
        which=OpenRecords(due_before=None),
        reason="x",
        max_percent=Decimal(100),
        tell=lambda outcomes: told.append([*outcomes]),
    )
    assert [[one.target_id for one in piece] for piece in told] == [made[:2], made[2:]]


def test_unassign_by_a_day_at_the_calendars_end_takes_all_that_are_due(organization: Organization, run: Run) -> None:
    due, _not_due = assigned(organization), assigned(organization)
    TrainSession.objects.filter(pk=due.pk).update(due_at=NOW)
    assert run(due_before=date.max.isoformat()).status == 0
    assert taken() == {due.pk}
