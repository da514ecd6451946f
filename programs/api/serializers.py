"""The Programs API's shapes: camelCase, `_id`, and keys that are absent where the contract says so."""

from datetime import UTC, datetime, tzinfo
from typing import Any

from django.db import models
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from accounts.api.fields import COUNT, MAIL, PERCENT, ColumnField, NumberField, ShownField
from accounts.api.rendering import number
from accounts.api.resource import Column, Many, Nested, Resource, Shape
from accounts.models import Person
from programs import selectors
from programs.models import ModuleType, ProgramSession, ProgramTemplate
from programs.selectors import Progress

HEX: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
HEXES: dict[str, Any] = {"type": "array", "items": HEX}


def gmt(value: datetime | None) -> str | None:
    """`2026-05-15T09:00:00.000Z`: UTC, milliseconds."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hex(source: str = "hex_id") -> Column:
    return Column(ShownField(HEX), source)


def _text(model: type[models.Model], source: str) -> Column:
    return Column(ColumnField(model, source), source)


def _instant(source: str, *, null: bool = True) -> Column:
    return Column(serializers.DateTimeField(allow_null=null), source, show=gmt)


def _hex_list(source: str) -> Column:
    return Column(ShownField(HEXES), source)


class CustomField(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.JSONField()


MODULE = Nested("Module", {"_id": _hex(), "type": Column(serializers.ChoiceField(choices=ModuleType.values), "type")})
USER = Nested("User", {"_id": _hex("person__hex_id"), "mail": Column(ColumnField(Person, "mail"), "person__mail")})
TUTOR = Column(ShownField(MAIL), "person__mail")


def _session_shape(_zone: tzinfo | None) -> Shape:
    return {
        "_id": _hex(),
        "programTemplate": _hex("template__hex_id"),
        "name": _text(ProgramSession, "name"),
        "description": _text(ProgramSession, "description"),
        "author": _text(ProgramSession, "author_mail"),
        "lang": _text(ProgramSession, "lang"),
        "templateCustom": _text(ProgramSession, "template_custom"),
        "sessionCustom": _text(ProgramSession, "session_custom"),
        "tutors": Many(selectors.tutors, "session", TUTOR),
        "customFields": Column(CustomField(many=True), "custom_fields"),
        "skills": _hex_list("skills"),
        "startDate": _instant("starts_at"),
        "endDate": _instant("ends_at"),
        "modifiedAt": _instant("modified_at"),
        "automatedReminders": Column(serializers.BooleanField(), "automated_reminders"),
        "hasUserLimit": Column(serializers.BooleanField(), "has_user_limit"),
        "validateRegistrations": Column(serializers.BooleanField(), "validate_registrations"),
        "requirements": Nested(
            "Requirements",
            {
                "courses": Many(selectors.required_courses, "session", _hex("course__hex_id")),
                "programs": Many(selectors.required_programs, "session", _hex("template__hex_id")),
                "paths": _hex_list("required_paths"),
            },
        ),
        "programDuration": Column(NumberField(ProgramSession, "program_duration"), "program_duration", show=number),
        "programDurationType": Column(
            serializers.ChoiceField(choices=["hour"], required=False),
            "program_duration",
            show=lambda duration: None if duration is None else "hour",
        ),
        "userLimit": Column(
            ColumnField(ProgramSession, "user_limit", allow_null=False, required=False),
            "has_user_limit",
            "user_limit",
            show=lambda limited, limit: limit if limited else None,
        ),
        "modules": Many(selectors.ordered_modules, "template", MODULE, source="template_id"),
        "groups": _hex_list("groups"),
        "users": Many(selectors.current_members, "session", USER),
    }


def _template_shape(_zone: tzinfo | None) -> Shape:
    return {
        "_id": _hex(),
        "name": _text(ProgramTemplate, "name"),
        "description": _text(ProgramTemplate, "description"),
        "modifiedAt": _instant("modified_at", null=False),
        "modules": Many(selectors.ordered_modules, "template", MODULE),
    }


SESSIONS = Resource(
    "ProgramSession", selectors.program_sessions, _session_shape, key="hex_id", column=models.CharField()
)
TEMPLATES = Resource("ProgramTemplate", selectors.templates, _template_shape, key="hex_id", column=models.CharField())

# `_id` is no name that a class body can give a field, so this one is made by call.
MemberShape = inline_serializer(
    "Member",
    {
        "_id": ShownField(HEX),
        "mail": ColumnField(Person, "mail"),
        "firstName": ColumnField(Person, "first_name"),
        "lastName": ColumnField(Person, "last_name"),
    },
).__class__


def present_member(person: Person) -> dict[str, Any]:
    return {"_id": person.hex_id, "mail": person.mail, "firstName": person.first_name, "lastName": person.last_name}


class UserStats(serializers.Serializer[Any]):
    mail = ColumnField(Person, "mail")
    score = ShownField(PERCENT, allow_null=True)
    progress = ShownField(PERCENT)
    totalTimeSpentInSeconds = ShownField(COUNT)
    completed = serializers.BooleanField()


class StatsSerializer(serializers.Serializer[Any]):
    name = ColumnField(ProgramSession, "name")
    registered = ShownField(COUNT)
    attendees = ShownField(COUNT)
    completed = ShownField(COUNT)
    usersStats = UserStats(many=True)


def present_stats(name: str, members: list[Progress]) -> dict[str, Any]:
    return {
        "name": name,
        "registered": len(members),
        "attendees": sum(member.started for member in members),
        "completed": sum(member.completed for member in members),
        "usersStats": [
            {
                "mail": member.person.mail,
                "score": None if member.score is None else float(round(member.score, 1)),
                "progress": float(round(member.percent, 1)),
                "totalTimeSpentInSeconds": int(member.hours * 3600),
                "completed": member.completed,
            }
            for member in members
        ],
    }


# `{}`: a published client of that API parses the body even of a success. (A serializer of no fields is no body at all.)
Nothing: dict[str, Any] = {"type": "object", "additionalProperties": False}
