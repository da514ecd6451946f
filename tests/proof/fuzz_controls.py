"""Servers that are broken on purpose, one way each: the run that finds nothing in ours must find these."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

LIST, ONE = "/api/train_sessions", "/api/train_sessions/{id}"


@dataclass(frozen=True)
class Control:
    """`caught_by`: the check that must fail, of the family, at `path`."""

    claim: str
    family: str
    path: str
    caught_by: str
    breaking: Callable[[], AbstractContextManager[Any]]


def ignoring_a_filter() -> AbstractContextManager[Any]:
    """`completion_date_gteq` is known, and never looked at."""
    from training.filters import TrainSessionFilter  # noqa: PLC0415 - after the settings

    asked = TrainSessionFilter.asked

    def without_one(given: Mapping[str, list[str]], organization: Any) -> Any:
        return asked({name: values for name, values in given.items() if name != "completion_date_gteq"}, organization)

    return patch.object(TrainSessionFilter, "asked", without_one)


def answering_more() -> AbstractContextManager[Any]:
    """One key beside those that the document names."""
    from training.api.train_sessions.views import TrainSessionViewSet  # noqa: PLC0415 - as above

    answer = TrainSessionViewSet.json

    def with_more(self: Any, body: object, status: int = 200) -> Any:
        response = answer(self, body, status)
        if response.content.startswith(b"{"):
            response.content = response.content[:-1] + b',"internal_note":"nobody was told"}'
        return response

    return patch.object(TrainSessionViewSet, "json", with_more)


def failing() -> AbstractContextManager[Any]:
    """A crash for every record that is there."""
    from training.api.train_sessions.views import TrainSessionViewSet  # noqa: PLC0415 - as above

    one = TrainSessionViewSet.one

    def crash(self: Any, pk: int) -> Any:
        one(self, pk)
        raise RuntimeError("broken on purpose")

    return patch.object(TrainSessionViewSet, "one", crash)


def refusing_what_is_valid() -> AbstractContextManager[Any]:
    """No due time is taken, whatever it is."""
    from accounts.api.errors import ApiError  # noqa: PLC0415 - as above
    from training.api.assignments import views  # noqa: PLC0415 - as above

    def refuse(given: Mapping[str, list[str]], name: str) -> None:
        raise ApiError.bad_query({name: [f"{given.get(name)} is not accepted. Give another time."]})

    return patch.object(views, "instant_in", refuse)


def leaving_a_range() -> AbstractContextManager[Any]:
    """A count below zero, of the type that the document names."""
    from programs.api import serializers  # noqa: PLC0415 - as above

    present = serializers.present_stats

    def with_fewer_than_none(name: str, members: list[Any]) -> dict[str, Any]:
        return {**present(name, members), "registered": -1}

    return patch.object(serializers, "present_stats", with_fewer_than_none)


CONTROLS = (
    Control("a filter that is silently ignored", "train_sessions", LIST, "negative_data_rejection", ignoring_a_filter),
    Control("an answer with an undocumented key", "train_sessions", ONE, "response_schema_conformance", answering_more),
    Control("an answer of 500", "train_sessions", ONE, "not_a_server_error", failing),
    Control(
        "valid input that is refused",
        "training_assignments",
        "/training-assignments",
        "positive_data_acceptance",
        refusing_what_is_valid,
    ),
    Control(
        "a count below zero",
        "programs",
        "/api/v1/programs/sessions/{hex_id}/stats",
        "response_schema_conformance",
        leaving_a_range,
    ),
)
