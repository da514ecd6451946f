"""The Training API's envelope, for its OpenAPI document."""

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_serializer, inline_serializer
from rest_framework import serializers

from accounts.api.fields import COUNT, ID, ShownField, several
from accounts.api.query import LAST_PAGE

ROWS_ON_A_PAGE = 100  # At most.
SUCCESS: dict[str, Any] = {"type": "boolean", "enum": [True]}
# What was done, in a few words of ours.
MESSAGE: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 100}


class Links(serializers.Serializer[Any]):
    first = serializers.URLField()
    last = serializers.URLField()
    prev = serializers.URLField(allow_null=True)
    next = serializers.URLField(allow_null=True)


# `from` is a word of Python's, so this one cannot be a class.
Meta = inline_serializer(
    "Meta",
    {
        "current_page": ShownField({**ID, "maximum": LAST_PAGE}),
        "last_page": ShownField(ID),
        "per_page": ShownField({**ID, "maximum": ROWS_ON_A_PAGE}),
        "total": ShownField(COUNT),
        "from": ShownField(ID, allow_null=True),
        "to": ShownField(ID, allow_null=True),
    },
).__class__


def _named(serializer: type[serializers.BaseSerializer[Any]]) -> str:
    return serializer.__name__.removesuffix("Serializer")


@cache
def envelope(serializer: type[serializers.BaseSerializer[Any]], *, message: bool = False) -> Any:
    """`{success, message?, data}`."""
    said = {"message": ShownField(MESSAGE)} if message else {}
    name = f"{_named(serializer)}{'Done' if message else ''}Answer"
    return inline_serializer(name, {"success": ShownField(SUCCESS), **said, "data": serializer()})


@cache
def listing(serializer: type[serializers.BaseSerializer[Any]]) -> Any:
    """`{success, data, meta, links}`."""
    made = inline_serializer(
        f"{_named(serializer)}List",
        {
            "success": ShownField(SUCCESS),
            "data": several(serializer, most=ROWS_ON_A_PAGE),
            "meta": Meta(),
            "links": Links(),
        },
    )
    # Without this, the answer of an action called `list` is described as an array of envelopes.
    extend_schema_serializer(many=False)(type(made))
    return made
