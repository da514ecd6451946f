"""The Programs API: parse → service or selector → present."""

from typing import Any

from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from rest_framework.request import Request

from accounts.api.bodies import StrictSerializer, read_body
from accounts.api.endpoint import Endpoint
from accounts.api.errors import ApiError
from accounts.api.openapi import NOTHING, documented
from accounts.api.query import shown
from accounts.api.resource import Resource
from accounts.api.streaming import json_array
from accounts.models import Person
from programs import selectors
from programs.api import serializers
from programs.api.dialect import ProgramsDialect
from programs.api.serializers import SESSIONS, TEMPLATES
from programs.errors import ProgramSessionUnknown
from programs.models import ProgramSession
from programs.selectors import is_hex_id
from programs.services import membership

# Each carries its modules and people: a chunk is some megabytes at most.
IN_A_CHUNK = 200


class NoBody(StrictSerializer):
    """No key is documented: an empty object, or no body."""


class ProgramsEndpoint(Endpoint):
    dialect = ProgramsDialect()

    def session(self, hex_id: str) -> ProgramSession:
        """Raises ProgramSessionUnknown."""
        found = selectors.session_by_id(self.organization, hex_id)
        if found is None:
            raise ProgramSessionUnknown(shown(hex_id))
        return found

    def whole(self, resource: Resource[Any], hex_id: str) -> Any:
        """The one of this public id. None where there is none."""
        return next(iter(resource.of(self.organization).among([hex_id])), None) if is_hex_id(hex_id) else None


class OldProgramsViewSet(ProgramsEndpoint):
    @documented("Redirects to the program sessions, keeping the query", answers=None, status=302)
    def list(self, request: Request) -> HttpResponse:
        query = self.http.META.get("QUERY_STRING", "")
        return HttpResponseRedirect("/api/v1/programs/sessions" + (f"?{query}" if query else ""))


class SessionViewSet(ProgramsEndpoint):
    @documented("List all program sessions", answers=SESSIONS.serializer(many=True))
    def list(self, request: Request) -> HttpResponseBase:
        self.no_query()
        return json_array(SESSIONS.of(self.organization), chunk=IN_A_CHUNK)

    @documented("Get a program session", answers=SESSIONS.serializer)
    def retrieve(self, request: Request, hex_id: str) -> HttpResponse:
        self.no_query()
        found = self.whole(SESSIONS, hex_id)
        if found is None:
            raise ProgramSessionUnknown(shown(hex_id))
        return self.json(found)

    @documented("List the people of a program session", answers=serializers.MemberShape(many=True))
    def users(self, request: Request, hex_id: str) -> HttpResponse:
        self.no_query()
        people = selectors.users_of(self.organization, self.session(hex_id))
        return self.json([serializers.present_member(person) for person in people])

    @documented(
        "Add a person to a program session",
        "By public id or mail. Opens what the program's courses ask for. Adding a member again changes nothing.",
        takes=NOTHING,
        answers=serializers.Nothing,
    )
    def add_user(self, request: Request, hex_id: str, user: str) -> HttpResponse:
        session, person = self.session_and_person(hex_id, user)
        membership.join(organization=self.organization, actor=self.actor, session=session, person_ids=[person.pk])
        return self.json({})

    @documented(
        "Remove a person from a program session",
        "Takes back what this membership opened, unless it is completed or something else needs it.",
        answers=serializers.Nothing,
    )
    def remove_user(self, request: Request, hex_id: str, user: str) -> HttpResponse:
        session, person = self.session_and_person(hex_id, user)
        membership.leave(organization=self.organization, actor=self.actor, session=session, person_ids=[person.pk])
        return self.json({})

    @documented("How far the people of a program session are", answers=serializers.StatsSerializer)
    def stats(self, request: Request, hex_id: str) -> HttpResponse:
        self.no_query()
        session = self.session(hex_id)
        members = selectors.progress(self.organization, session)
        return self.json(serializers.present_stats(session.name, members))

    def session_and_person(self, hex_id: str, user: str) -> tuple[ProgramSession, Person]:
        self.no_query()
        read_body(self.http, NoBody, optional=True)
        session = self.session(hex_id)
        person = selectors.person_by_id_or_mail(self.organization, user)
        if person is None:
            raise ApiError(404, ["There is no such user."], code="user_not_found")
        return session, person


class TemplateViewSet(ProgramsEndpoint):
    @documented("List program templates", answers=TEMPLATES.serializer(many=True))
    def list(self, request: Request) -> HttpResponseBase:
        self.no_query()
        return json_array(TEMPLATES.of(self.organization), chunk=IN_A_CHUNK)

    @documented("Get a program template", answers=TEMPLATES.serializer)
    def retrieve(self, request: Request, hex_id: str) -> HttpResponse:
        self.no_query()
        found = self.whole(TEMPLATES, hex_id)
        if found is None:
            raise ApiError(404, [f"There is no program template {shown(hex_id)}."], code="template_not_found")
        return self.json(found)
