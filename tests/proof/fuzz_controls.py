"""Servers that are broken on purpose, one way each: the run that finds nothing in ours must find these."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

LIST, ONE = "/api/train_sessions", "/api/train_sessions/{id}"


@dataclass(frozen=True)
class Control:
    """`caught_by`: the check that must fail. Both are of the Train Sessions API, at `path`."""

    claim: str
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


CONTROLS = (
    Control("a filter that is silently ignored", LIST, "negative_data_rejection", ignoring_a_filter),
    Control("an answer with an undocumented key", ONE, "response_schema_conformance", answering_more),
    Control("an answer of 500", ONE, "not_a_server_error", failing),
)
