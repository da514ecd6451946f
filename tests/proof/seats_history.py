"""Every seat that was ever given, given back, added or taken away, played again in the order in which it happened.

The database writes the history of each statement in a trigger, and numbers it there. Whatever changes a session's seats
or its capacity holds the session's row until it commits: so of one session the numbers rise in the order of the
commits, and its history is what anybody could have seen of it, one moment after the other. Without that lock the order
is that of the statements, which is good enough to convict.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts.models import HistoryEntry
from enrollments.models import Enrollment, Session
from programs.models import ProgramMember, ProgramSession
from tests.proof.seats_scene import LIMITS, PROGRAM, SESSION, Place
from tests.proof.seats_ways import BACK, GIVEN, LOWERED, RAISED

ENROLLMENT, MEMBER = "enrollments.Enrollment", "programs.ProgramMember"
HELD = {ENROLLMENT: SESSION, MEMBER: PROGRAM}


Key = tuple[str, int]
"""A place: its model and id."""
Held = tuple[str, str, Key, int]
"""The way, GIVEN or BACK, the place, the person's id."""


@dataclass(frozen=True)
class Moment:
    """Either a seat given (1) or given back (-1) by or to a person, or a new capacity."""

    place: Key
    actor: str
    seats: int = 0
    person: int = 0
    capacity: int = 0


@dataclass
class Played:
    """Of all places together. `done`: by way and effect; `held`: who got a seat and who gave one back; `full`: moments
    at which the last seat was taken; `most`: seats too many at once in one place; `overfull`: places that at some moment
    held more than their capacity; `now`: seats taken at the end, and the capacity.
    """

    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: Counter[Held] = field(default_factory=Counter)
    full: int = 0
    most: int = 0
    overfull: set[Key] = field(default_factory=set)
    now: dict[Key, tuple[int, int]] = field(default_factory=dict)

    def by(self, effect: str, entrance: str = "") -> int:
        return sum(count for (way, one), count in self.done.items() if one == effect and way.startswith(entrance))


def play(places: Iterable[Place], ways: Mapping[str, str]) -> Played:
    """`ways` are by actor. Raises KeyError where somebody else had a hand in it."""
    played = Played()
    state = {(place.model, place.pk): (0, place.capacity) for place in places}
    for moment in moments():
        if moment.place not in state:
            continue
        taken, capacity = state[moment.place]
        way = ways[moment.actor]
        if moment.seats:
            effect = GIVEN if moment.seats > 0 else BACK
            played.held[way, effect, moment.place, moment.person] += 1
        else:
            effect = RAISED if moment.capacity > capacity else LOWERED
        played.done[way, effect] += 1
        state[moment.place] = now, limit = taken + moment.seats, moment.capacity or capacity
        played.full += moment.seats > 0 and now == limit
        if now > limit:
            played.overfull.add(moment.place)
            played.most = max(played.most, now - limit)
    played.now = state
    return played


def tables(places: Iterable[Place]) -> dict[Key, tuple[int, int]]:
    """Seats taken and capacity of each place, as `Played.now` has them."""
    taken = Counter((SESSION, pk) for pk in Enrollment.objects.holding_a_seat().values_list("session_id", flat=True))
    taken.update((PROGRAM, pk) for pk in ProgramMember.objects.current().values_list("session_id", flat=True))
    capacities = {(SESSION, pk): seats for pk, seats in Session.objects.values_list("pk", LIMITS[SESSION])}
    capacities |= {(PROGRAM, pk): seats for pk, seats in ProgramSession.objects.values_list("pk", LIMITS[PROGRAM])}
    keys = [(place.model, place.pk) for place in places]
    return {key: (taken[key], capacities[key]) for key in keys}


def moments() -> Iterator[Moment]:
    holders = {
        **{(ENROLLMENT, pk): who for pk, *who in Enrollment.objects.values_list("pk", "session_id", "person_id")},
        **{(MEMBER, pk): who for pk, *who in ProgramMember.objects.values_list("pk", "session_id", "person_id")},
    }
    entries = HistoryEntry.objects.filter(model__in=[*HELD, *LIMITS]).order_by("pk")
    for model, row_id, actor, act, changes in entries.values_list(
        "model", "row_id", "actor", "act", "changes"
    ).iterator():
        if model in LIMITS:
            if act == "changed" and LIMITS[model] in changes:
                yield Moment((model, row_id), actor, capacity=changes[LIMITS[model]][1])
        elif (seats := change(model, act, changes)) != 0:
            place, person = holders[model, row_id]
            yield Moment((HELD[model], place), actor, seats=seats, person=person)


def change(model: str, act: str, changes: dict[str, Any]) -> int:
    """A row that is made takes a seat; cancelling, or leaving, gives it back."""
    if act == "created":
        return 1
    gone = changes.get("status", [None, None])[1] == "cancelled" if model == ENROLLMENT else "left_at" in changes
    return -1 if gone else 0
