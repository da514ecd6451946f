"""Writers of the ledger, each in a process of its own, by the product's services; and who is at work there."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from accounts import transactions
from accounts.bulk import InputRow
from accounts.errors import Busy
from accounts.models import Person
from enrollments.models import Category
from tests.benchmarks.parts import close_connections
from tests.concurrency.test_feed import COURSES, PEOPLE, WRITERS, Change, Stage, Writer
from tests.conftest import api_of
from tests.factories import CourseFactory, OrganizationFactory
from training.models import TrainSession
from training.services.assigning import assign_acceptable
from training.services.unassigning import unassign_acceptable

Result = TypeVar("Result")
# Seconds for which a transaction does other things at most before it touches the ledger, and after that before it
# commits: most do little, every seventh does much.
BEFORE, AFTER = (0.05, 1.0), (0.0, 0.3)
# What a writer does, by how often.
ACTS = {
    "assign": 20,
    "assign_in_bulk": 15,
    "unassign": 12,
    "unassign_in_bulk": 12,
    "move": 5,
    "progress": 12,
    "fail": 10,
    "complete": 14,
}
FORK = multiprocessing.get_context("fork")


def staged() -> Stage:
    """An organization, its courses, and people for every writer."""
    organization = OrganizationFactory.create(name="Harbour Works", slug="harbour-works")
    category = Category.objects.get(slug="safety")
    courses = [CourseFactory.create(organization=organization, category=category) for _ in range(COURSES)]
    people = Person.objects.bulk_create(
        Person(organization=organization, employee_id=str(number), first_name="Ada", search_name="ada")
        for number in range(WRITERS * PEOPLE)
    )
    groups = [people[start : start + PEOPLE] for start in range(0, len(people), PEOPLE)]
    return Stage(organization, courses, groups, api_of(organization).secret)


@dataclass
class Written:
    """What a writer committed: its changes, and how many of them by which act; and how often it was told to wait."""

    journal: list[Change] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    busy: int = 0


class BulkWriter(Writer):
    """Does what the threads of the test do, and what the bulk commands do."""

    def __init__(self, stage: Stage, number: int) -> None:
        super().__init__(stage, number)
        self.employees = {person.employee_id: person.pk for person in stage.people[number]}
        self.written = Written()

    def write(self, changes: int) -> Written:
        """At least so many changes."""
        written = self.written
        while len(written.journal) < changes:
            act = self.dice.choices([*ACTS], [*ACTS.values()])[0]
            if "unassign" in act and len(self.open) <= PEOPLE:
                continue
            made = self.transaction(getattr(self, act))
            written.journal += made
            written.acts[act] += len(made)
        return written

    def transaction(self, act: Callable[[], list[int]]) -> list[Change]:
        before = dict(self.open)
        try:
            with transactions.write():
                self.pass_time(*BEFORE)
                made = super().transaction(act)
                self.pass_time(*AFTER)
                return made
        except Busy:
            self.open = before
            self.written.busy += 1
            return []

    def pass_time(self, little: float, much: float) -> None:
        time.sleep(self.dice.uniform(0, self.dice.choices([little, much], [6, 1])[0]))

    def assign_in_bulk(self) -> list[int]:
        """Also to people who hold the course already: they keep what they have."""
        course = self.dice.choice(self.stage.courses)
        chosen = self.dice.sample(sorted(self.employees), self.dice.randint(40, PEOPLE))
        rows = [InputRow(line, {"employee_id": name}) for line, name in enumerate(chosen, start=2)]
        assign_acceptable(**self.who, course_code=course.code, column="employee_id", rows=rows, due_on=None)
        people = [self.employees[name] for name in chosen]
        records = TrainSession.objects.of(self.stage.organization).open().filter(course=course, person_id__in=people)
        made = {pk: person for pk, person in records.values_list("pk", "person_id") if pk not in self.open}
        self.open.update({pk: (course.pk, person) for pk, person in made.items()})
        return list(made)

    def unassign_in_bulk(self) -> list[int]:
        pks = self.some(PEOPLE)
        rows = [InputRow(line, {"id": str(pk)}) for line, pk in enumerate(pks, start=2)]
        unassign_acceptable(**self.who, which=rows, reason="No longer needed", max_percent=100)  # type: ignore[arg-type]
        for pk in pks:
            del self.open[pk]
        return pks


def write(stage: Stage, number: int, changes: int) -> Written:
    return BulkWriter(stage, number).write(changes)


class Forked(Generic[Result]):
    """A function at work in a process forked from this one, with a database connection of its own."""

    def __init__(self, act: Callable[..., Result], *arguments: Any) -> None:
        self.receiving, sending = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=_send, args=(sending, act, arguments))
        self.process.start()
        sending.close()

    def result(self) -> Result:
        """Raises EOFError where the process has died instead."""
        result: Result = self.receiving.recv()
        self.process.join()
        return result


def _send(sending: Connection, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    result = act(*arguments)
    close_connections()
    sending.send(result)


@contextmanager
def forking() -> Iterator[Callable[..., Forked[Any]]]:
    """Forks processes, and ends those that have not. Before: no connection and no thread of this process."""
    close_connections()
    made: list[Forked[Any]] = []

    def fork(act: Callable[..., Any], *arguments: Any) -> Forked[Any]:
        made.append(Forked(act, *arguments))
        return made[-1]

    try:
        yield fork
    finally:
        for one in made:
            if one.process.is_alive():
                one.process.kill()
            one.process.join()
