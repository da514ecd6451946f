"""The Programs API's shapes: camelCase, `_id`, and keys that are absent where the contract says so."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from accounts.api.rendering import number
from accounts.models import Person
from programs.models import ModuleType, ProgramTemplate
from programs.selectors import Progress, Session

HEX = r"^[0-9a-f]{24}$"


def gmt(value: datetime | None) -> str | None:
    """`2026-05-15T09:00:00.000Z`: UTC, milliseconds."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# `_id` is no name that a class body can give a field, so these are made by call.
ModuleShape = inline_serializer(
    "Module", {"_id": serializers.RegexField(HEX), "type": serializers.ChoiceField(choices=ModuleType.values)}
).__class__
UserShape = inline_serializer(
    "User", {"_id": serializers.RegexField(HEX), "mail": serializers.CharField(allow_blank=True)}
).__class__
MemberShape = inline_serializer(
    "Member",
    {
        "_id": serializers.RegexField(HEX),
        "mail": serializers.CharField(allow_blank=True),
        "firstName": serializers.CharField(),
        "lastName": serializers.CharField(allow_blank=True),
    },
).__class__


class CustomField(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.JSONField()


class Requirements(serializers.Serializer[Any]):
    courses = serializers.ListField(child=serializers.RegexField(HEX))
    programs = serializers.ListField(child=serializers.RegexField(HEX))
    paths = serializers.ListField(child=serializers.RegexField(HEX))


SessionShape = inline_serializer(
    "ProgramSession",
    {
        "_id": serializers.RegexField(HEX),
        "programTemplate": serializers.RegexField(HEX),
        "name": serializers.CharField(),
        "description": serializers.CharField(allow_blank=True),
        "author": serializers.CharField(allow_blank=True),
        "lang": serializers.CharField(allow_blank=True),
        "templateCustom": serializers.CharField(allow_blank=True),
        "sessionCustom": serializers.CharField(allow_blank=True),
        "tutors": serializers.ListField(child=serializers.CharField()),
        "customFields": CustomField(many=True),
        "skills": serializers.ListField(child=serializers.RegexField(HEX)),
        "startDate": serializers.DateTimeField(allow_null=True),
        "endDate": serializers.DateTimeField(allow_null=True),
        "modifiedAt": serializers.DateTimeField(allow_null=True),
        "automatedReminders": serializers.BooleanField(),
        "hasUserLimit": serializers.BooleanField(),
        "validateRegistrations": serializers.BooleanField(),
        "requirements": Requirements(),
        "programDuration": serializers.FloatField(allow_null=True),
        "programDurationType": serializers.ChoiceField(choices=["hour"], required=False),
        "userLimit": serializers.IntegerField(required=False),
        "modules": ModuleShape(many=True),
        "groups": serializers.ListField(child=serializers.RegexField(HEX)),
        "users": UserShape(many=True),
    },
).__class__


def present_session(session: Session) -> dict[str, Any]:
    row = session.row
    duration = {} if row.program_duration is None else {"programDurationType": "hour"}
    limit = {"userLimit": row.user_limit} if row.has_user_limit else {}
    return {
        "_id": row.hex_id,
        "programTemplate": row.template.hex_id,
        "name": row.name,
        "description": row.description,
        "author": row.author_mail,
        "lang": row.lang,
        "templateCustom": row.template_custom,
        "sessionCustom": row.session_custom,
        "tutors": session.tutors,
        "customFields": row.custom_fields,
        "skills": row.skills,
        "startDate": gmt(row.starts_at),
        "endDate": gmt(row.ends_at),
        "modifiedAt": gmt(row.modified_at),
        "automatedReminders": row.automated_reminders,
        "hasUserLimit": row.has_user_limit,
        "validateRegistrations": row.validate_registrations,
        "requirements": {
            "courses": session.required_courses,
            "programs": session.required_programs,
            "paths": row.required_paths,
        },
        "programDuration": number(row.program_duration),
        **duration,
        **limit,
        "modules": [{"_id": hex_id, "type": kind} for hex_id, kind in session.modules],
        "groups": row.groups,
        "users": [{"_id": hex_id, "mail": mail} for hex_id, mail in session.users],
    }


def present_member(person: Person) -> dict[str, Any]:
    return {"_id": person.hex_id, "mail": person.mail, "firstName": person.first_name, "lastName": person.last_name}


TemplateShape = inline_serializer(
    "ProgramTemplate",
    {
        "_id": serializers.RegexField(HEX),
        "name": serializers.CharField(),
        "description": serializers.CharField(allow_blank=True),
        "modifiedAt": serializers.DateTimeField(),
        "modules": ModuleShape(many=True),
    },
).__class__


def present_template(template: ProgramTemplate, modules: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "_id": template.hex_id,
        "name": template.name,
        "description": template.description,
        "modifiedAt": gmt(template.modified_at),
        "modules": [{"_id": hex_id, "type": kind} for hex_id, kind in modules],
    }


class UserStats(serializers.Serializer[Any]):
    mail = serializers.CharField(allow_blank=True)
    score = serializers.FloatField(allow_null=True)
    progress = serializers.FloatField(min_value=0, max_value=100)
    totalTimeSpentInSeconds = serializers.IntegerField(min_value=0)
    completed = serializers.BooleanField()


class StatsSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    registered = serializers.IntegerField(min_value=0)
    attendees = serializers.IntegerField(min_value=0)
    completed = serializers.IntegerField(min_value=0)
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
