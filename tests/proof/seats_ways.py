"""The ways to a seat: how often each is gone, what it may be answered, what it must have done in the end."""

from dataclasses import dataclass

GIVEN, BACK, RAISED, LOWERED = "seats given", "given back", "capacities raised", "lowered"

ENROLL, CANCEL, PATCH = "Training API: enroll", "Training API: cancel", "Training API: change the capacity"
JOIN, LEAVE = "Programs API: join", "Programs API: leave"
COMMAND = "command: bulk_enroll"
PASTE, PASTE_JOIN = "admin: paste to enroll", "admin: paste to join"
ADD, CANCEL_TICKED = "admin: add enrollments", "admin: cancel the ticked"
REMOVE, DEACTIVATE = "admin: remove members", "admin: make a person inactive"
FORM, PROGRAM_FORM = "admin: session form", "admin: program session form"

BUSY_STATUS = 503  # Of the APIs.
SHOWN, LEFT = 200, 302  # Of pages: shown again with what was refused, or left.


@dataclass(frozen=True)
class Way:
    """`share`: of a thousand attempts. `answers`: when nothing is wrong but that there is no seat; a command has done
    all, nothing, or refused some. `operation`: where the OpenAPI documents describe the call.

    `counts`: its answers count exactly the seats that it has given, or given back. `names`: whoever asks knows whom an
    answer is about; that there was nothing to do may be answered the same.
    """

    share: int
    answers: frozenset[int]
    effects: tuple[str, ...]
    operation: tuple[str, str, str] | None = None
    counts: bool = False
    names: bool = False


# Of each thousand attempts these make people inactive: two at once in each organization, each of which locks several
# sessions. Scattered they would hardly ever meet, and a wrong order of their locks would not show.
IN_ROW = range(500, 508)

# Most want a seat, and few give one back: so most sessions are full most of the time. A page of the admin is ten times
# the work of a call of an API.
WAYS = {
    ENROLL: Way(
        485,
        frozenset({201, 422}),
        (GIVEN,),
        ("training", "/api/v1/training/enrollments", "post"),
        counts=True,
        names=True,
    ),
    CANCEL: Way(
        55,
        frozenset({200}),
        (BACK,),
        ("training", "/api/v1/training/enrollments/{id}/cancel", "patch"),
        names=True,
    ),
    PATCH: Way(
        58,
        frozenset({200, 422}),
        (RAISED, LOWERED),
        ("training", "/api/v1/training/sessions/{id}", "patch"),
    ),
    JOIN: Way(
        287,
        frozenset({200, 422}),
        (GIVEN,),
        ("programs", "/api/v1/programs/sessions/{hex_id}/users/{user}", "put"),
        names=True,
    ),
    LEAVE: Way(
        45,
        frozenset({200}),
        (BACK,),
        ("programs", "/api/v1/programs/sessions/{hex_id}/users/{user}", "delete"),
        names=True,
    ),
    COMMAND: Way(35, frozenset({0, 1, 2}), (GIVEN,), counts=True),
    PASTE: Way(5, frozenset({SHOWN}), (GIVEN,), counts=True),
    PASTE_JOIN: Way(4, frozenset({SHOWN}), (GIVEN,), counts=True),
    ADD: Way(6, frozenset({SHOWN, LEFT}), (GIVEN,), counts=True, names=True),
    CANCEL_TICKED: Way(5, frozenset({LEFT}), (BACK,)),
    REMOVE: Way(5, frozenset({LEFT}), (BACK,), counts=True),
    # At set times: see IN_ROW.
    DEACTIVATE: Way(0, frozenset({LEFT}), (BACK,), counts=True),
    FORM: Way(5, frozenset({SHOWN, LEFT}), (RAISED, LOWERED)),
    PROGRAM_FORM: Way(5, frozenset({SHOWN, LEFT}), (RAISED, LOWERED)),
}


def entrance_of(way: str) -> str:
    return way.partition(":")[0]


ENTRANCES = tuple(dict.fromkeys(map(entrance_of, WAYS)))
