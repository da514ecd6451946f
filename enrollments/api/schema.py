"""The Training API's envelope, for its OpenAPI document."""

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_serializer, inline_serializer
from rest_framework import serializers


class Links(serializers.Serializer[Any]):
    first = serializers.URLField()
    last = serializers.URLField()
    prev = serializers.URLField(allow_null=True)
    next = serializers.URLField(allow_null=True)


# `from` is a word of Python's, so this one cannot be a class.
Meta = inline_serializer(
    "Meta",
    {
        "current_page": serializers.IntegerField(),
        "last_page": serializers.IntegerField(),
        "per_page": serializers.IntegerField(),
        "total": serializers.IntegerField(),
        "from": serializers.IntegerField(allow_null=True),
        "to": serializers.IntegerField(allow_null=True),
    },
).__class__


def _named(serializer: type[serializers.BaseSerializer[Any]]) -> str:
    return serializer.__name__.removesuffix("Serializer")


@cache
def envelope(serializer: type[serializers.BaseSerializer[Any]], *, message: bool = False) -> Any:
    """`{success, message?, data}`."""
    said = {"message": serializers.CharField()} if message else {}
    name = f"{_named(serializer)}{'Done' if message else ''}Answer"
    return inline_serializer(name, {"success": serializers.BooleanField(), **said, "data": serializer()})


@cache
def listing(serializer: type[serializers.BaseSerializer[Any]]) -> Any:
    """`{success, data, meta, links}`."""
    made = inline_serializer(
        f"{_named(serializer)}List",
        {
            "success": serializers.BooleanField(),
            "data": serializer(many=True),
            "meta": Meta(),
            "links": Links(),
        },
    )
    # Without this, the answer of an action called `list` is described as an array of envelopes.
    extend_schema_serializer(many=False)(type(made))
    return made
