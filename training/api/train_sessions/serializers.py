"""The Train Sessions API's shapes."""

import re
from datetime import tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db.models import IntegerField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat, Floor
from rest_framework import serializers

from accounts.api.bodies import StrictSerializer
from accounts.api.fields import (
    COUNT,
    FULL_NAME,
    ID,
    AmountField,
    ColumnField,
    FlagField,
    IdField,
    ShortListField,
    ShownField,
    TextField,
    WholeField,
    schema_of,
)
from accounts.api.resource import Column, Resource, Shape, day_column
from accounts.models import Person
from enrollments.models import Course
from training import selectors
from training.filters import STATUSES, TrainSessionFilter
from training.models import TrainSession

WORD_OF = {str(state): word for word, state in STATUSES.items()}
SCORE: dict[str, Any] = {"max_digits": 7, "decimal_places": 4, "min_value": 0, "max_value": 100}
# Looked up for the rows that are shown, where a join would be made for all that are sorted.
COURSE_CODE = Subquery(Course.objects.of(OuterRef("organization")).filter(pk=OuterRef("course")).values("code"))
NAMES_OF_PERSON = Subquery(
    Person.objects.of(OuterRef("organization"))
    .filter(pk=OuterRef("person"))
    .values(name=Concat("first_name", Value(" "), "last_name"))
)
# The whole number below, 0 until scored.
SHOWN_SCORE = Cast(Floor(Coalesce("score", Value(Decimal(0)))), IntegerField())
HOURS: dict[str, Any] = {"max_digits": 9, "decimal_places": 2, "min_value": 0}


def _shape(zone: tzinfo | None) -> Shape:
    return {
        "id": Column(ShownField(ID), "pk"),
        "course_code": Column(ColumnField(Course, "code"), COURSE_CODE),
        "score": Column(serializers.IntegerField(min_value=0, max_value=100), SHOWN_SCORE),
        "percent_complete": Column(ColumnField(TrainSession, "percent"), "percent"),
        "failed_attempts": Column(ColumnField(TrainSession, "failed_attempts"), "failed_attempts"),
        "status": Column(serializers.ChoiceField(choices=list(STATUSES)), "state", show=WORD_OF.__getitem__),
        "cert_expiry": Column(serializers.DateField(allow_null=True), "cert_expiry"),
        "completion_date": day_column(serializers.DateField(allow_null=True), "completed_at", zone),
        "complete_by": day_column(serializers.DateField(allow_null=True), "due_at", zone),
        "full_name": Column(ShownField(FULL_NAME), NAMES_OF_PERSON, show=str.strip),
        "time_spent": Column(serializers.RegexField(r"^[0-9]{1,7}\.[0-9]{1,2}$"), "time_spent", show=hours),
    }


IDS_IN_A_CALL = 1000  # And course codes.
# Ids as a query or a form has them.
IDS_IN_TEXT: dict[str, Any] = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "minItems": 1,
    "maxItems": IDS_IN_A_CALL,
}

# Document b's keys, in its order.
TRAIN_SESSIONS = Resource("TrainSession", selectors.live_records, _shape, filters=TrainSessionFilter, descending=True)


@lru_cache(maxsize=1000)
def hours(value: Decimal) -> str:
    """`0.0`, `1.5`, `1.25`: as short as it goes, with at least one decimal."""
    text = f"{value:.2f}"
    return text.removesuffix("0")


# Incoming bodies.


class HoursField(AmountField):
    """Hours as a number, or as text: so the family shows them, and what was read can be sent back."""

    _as_shown = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?", re.ASCII)

    @property
    def openapi(self) -> dict[str, object]:
        return {"anyOf": [super().openapi, {"type": "string", "pattern": f"^{self._as_shown.pattern}$"}]}

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str) and self._as_shown.fullmatch(data):
            return Decimal(data)
        return super().to_internal_value(data)


class ProgressBody(StrictSerializer):
    percent_complete = WholeField(min_value=0, max_value=100, required=False)
    time_spent = HoursField(**HOURS, required=False)


class AttemptBody(StrictSerializer):
    score = AmountField(**SCORE)
    passed = FlagField(required=False)
    time_spent = HoursField(**HOURS, required=False)


class UnassignIdsBody(StrictSerializer):
    ids = ShortListField(child=IdField(), longest=10_000)


class UnassignCoursesBody(StrictSerializer):
    course_codes = ShortListField(child=TextField(max_length=60), allow_empty=False, longest=IDS_IN_A_CALL)
    login_id = IdField()


UNASSIGN_BODY: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"ids": {**schema_of(UnassignIdsBody().fields["ids"]), "minItems": 1}},
            "required": ["ids"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {name: schema_of(field) for name, field in UnassignCoursesBody().fields.items()},
            "required": ["course_codes", "login_id"],
            "additionalProperties": False,
        },
    ]
}
UNASSIGN_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"ids": IDS_IN_TEXT},
    "required": ["ids"],
    "additionalProperties": False,
}


class UnassignedSerializer(serializers.Serializer[Any]):
    unassigned = ShownField({"type": "array", "items": ID, "maxItems": IDS_IN_A_CALL})
    count = ShownField({**COUNT, "maximum": IDS_IN_A_CALL})
