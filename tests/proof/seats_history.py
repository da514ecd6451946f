"""Every seat that was ever given, given back, added or taken away, played again in the order in which it happened.

The database writes the history of each statement in a trigger, and numbers it there. Whatever changes a session's seats
or its capacity holds the session's row until it commits: so of one session the numbers rise in the order of the
commits, and its history is what anybody could have seen of it, one moment after the other. Without that lock the order
is that of the statements, which is good enough to convict.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from accounts.models import HistoryEntry
from enrollments.models import Enrollment, Session
from programs.models import ProgramMember, ProgramSession
from tests.proof.seats_scene import LIMITS, PROGRAM, SESSION, Place

ENROLLMENT, MEMBER = "enrollments.Enrollment", "programs.ProgramMember"
HELD = {ENROLLMENT: SESSION, MEMBER: PROGRAM}


@dataclass
class Played:
    """Of all places together. `full`: moments at which the last seat was taken; `most`: seats too many at once in one
    place; `overfull`: places that at some moment held more than their capacity; `now`: seats taken at the end.
    """

    given: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0))
    given_back: int = 0
    raised: int = 0
    lowered: int = 0
    full: int = 0
    most: int = 0
    overfull: set[tuple[str, int]] = field(default_factory=set)
    now: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    @property
    def moments(self) -> int:
        return sum(self.given.values()) + self.given_back + self.raised + self.lowered


def play(places: Iterable[Place]) -> Played:
    played = Played()
    state = {(place.model, place.pk): (0, place.capacity) for place in places}
    for key, seats, changed in moments():
        if key not in state:
            continue
        taken, capacity = state[key]
        if changed is not None:
            played.raised += changed > capacity
            played.lowered += changed < capacity
        played.given[key[0]] += seats > 0
        played.given_back += seats < 0
        state[key] = now, limit = taken + seats, capacity if changed is None else changed
        played.full += seats > 0 and now == limit
        if now > limit:
            played.overfull.add(key)
            played.most = max(played.most, now - limit)
    played.now = state
    return played


def tables(places: Iterable[Place]) -> dict[tuple[str, int], tuple[int, int]]:
    """Seats taken and capacity of each place, as `Played.now` has them."""
    taken = Counter((SESSION, pk) for pk in Enrollment.objects.holding_a_seat().values_list("session_id", flat=True))
    taken.update((PROGRAM, pk) for pk in ProgramMember.objects.current().values_list("session_id", flat=True))
    capacities = {(SESSION, pk): seats for pk, seats in Session.objects.values_list("pk", LIMITS[SESSION])}
    capacities |= {(PROGRAM, pk): seats for pk, seats in ProgramSession.objects.values_list("pk", LIMITS[PROGRAM])}
    keys = [(place.model, place.pk) for place in places]
    return {key: (taken[key], capacities[key]) for key in keys}


def moments() -> Iterator[tuple[tuple[str, int], int, int | None]]:
    """The place, and either a seat given (1) or given back (-1), or its new capacity."""
    sessions = dict(Enrollment.objects.values_list("pk", "session_id"))
    entries = HistoryEntry.objects.filter(model__in=[*HELD, *LIMITS]).order_by("pk")
    rows = entries.values_list("model", "row_id", "act", "changes", "parent_id")
    for model, row_id, act, changes, parent_id in rows.iterator():
        if model in LIMITS:
            if act == "changed" and LIMITS[model] in changes:
                yield (model, row_id), 0, changes[LIMITS[model]][1]
        elif (seats := change(model, act, changes)) != 0:
            place = sessions[row_id] if model == ENROLLMENT else parent_id or 0
            yield (HELD[model], place), seats, None


def change(model: str, act: str, changes: dict[str, Any]) -> int:
    """A row that is made takes a seat; cancelling, or leaving, gives it back."""
    if act == "created":
        return 1
    gone = changes.get("status", [None, None])[1] == "cancelled" if model == ENROLLMENT else "left_at" in changes
    return -1 if gone else 0
