"""The Train Sessions API's shapes: document b's keys, in its order."""

from collections.abc import Sequence
from datetime import tzinfo
from decimal import Decimal
from math import floor
from typing import Any

from rest_framework import serializers

from accounts.api.bodies import StrictSerializer
from accounts.api.fields import IdField, ShortListField
from accounts.days import day_of
from training.filters import STATUSES
from training.models import TrainSession

WORD_OF = {str(state): word for word, state in STATUSES.items()}
SCORE: dict[str, Any] = {"max_digits": 7, "decimal_places": 4, "min_value": 0, "max_value": 100}
HOURS: dict[str, Any] = {"max_digits": 9, "decimal_places": 2, "min_value": 0}


class TrainSessionSerializer(serializers.Serializer[TrainSession]):
    """One record, from a row of `selectors.ROW_COLUMNS`: lists are long, so rows are presented without model
    instances or field objects, and these fields are the shape's declaration (a test holds `present` to it).
    """

    id = serializers.IntegerField()
    course_code = serializers.CharField()
    score = serializers.IntegerField(min_value=0, max_value=100)
    percent_complete = serializers.IntegerField(min_value=0, max_value=100)
    failed_attempts = serializers.IntegerField(min_value=0)
    status = serializers.ChoiceField(choices=list(STATUSES))
    cert_expiry = serializers.DateField(allow_null=True)
    completion_date = serializers.DateField(allow_null=True)
    complete_by = serializers.DateField(allow_null=True)
    full_name = serializers.CharField()
    time_spent = serializers.RegexField(r"^[0-9]+\.[0-9]+$")


def present(row: Sequence[Any], zone: tzinfo) -> dict[str, Any]:
    """A row of `selectors.ROW_COLUMNS` as it is shown. Days are days of the organization's time zone."""
    pk, code, score, percent, failed, state, cert_expiry, completed_at, due_at, first_name, last_name, time_spent = row
    return {
        "id": pk,
        "course_code": code,
        "score": 0 if score is None else floor(score),
        "percent_complete": percent,
        "failed_attempts": failed,
        "status": WORD_OF[state],
        "cert_expiry": cert_expiry,
        "completion_date": None if completed_at is None else day_of(completed_at, zone),
        "complete_by": None if due_at is None else day_of(due_at, zone),
        "full_name": f"{first_name} {last_name}".strip(),
        "time_spent": hours(time_spent),
    }


def hours(value: Decimal) -> str:
    """`0.0`, `1.5`, `1.25`: as short as it goes, with at least one decimal."""
    text = f"{value:.2f}"
    return text.removesuffix("0")


# Incoming bodies.


class ProgressBody(StrictSerializer):
    percent_complete = serializers.IntegerField(min_value=0, max_value=100, required=False)
    time_spent = serializers.DecimalField(**HOURS, required=False)


class AttemptBody(StrictSerializer):
    score = serializers.DecimalField(**SCORE)
    passed = serializers.BooleanField(required=False)
    time_spent = serializers.DecimalField(**HOURS, required=False)


class UnassignIdsBody(StrictSerializer):
    ids = ShortListField(child=IdField(), longest=10_000)


class UnassignCoursesBody(StrictSerializer):
    course_codes = ShortListField(child=serializers.CharField(max_length=60), allow_empty=False, longest=1000)
    login_id = IdField()


class UnassignBody(serializers.Serializer[Any]):
    """Either `ids`, or `course_codes` and `login_id`."""

    ids = serializers.ListField(child=serializers.IntegerField(), required=False)
    course_codes = serializers.ListField(child=serializers.CharField(), required=False)
    login_id = serializers.IntegerField(required=False)


class UnassignedSerializer(serializers.Serializer[Any]):
    unassigned = serializers.ListField(child=serializers.IntegerField())
    count = serializers.IntegerField()
