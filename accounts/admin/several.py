from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.admin.base import LedgerAdmin
from accounts.admin.forms import Said, said
from accounts.errors import PeopleInactive, Refusal
from accounts.models import Person


class SeveralPeopleAdmin(LedgerAdmin):
    """Rows that one form makes for several people at once, all or nothing. The form's field is `people`."""

    # Refusals that name people by `ids`, or by the keys of `missing`.
    about_people: ClassVar[tuple[type[Refusal], ...]] = (PeopleInactive,)

    def create_rows(
        self, request: HttpRequest, values: dict[str, Any], person_ids: list[int]
    ) -> Sequence[models.Model]:
        """Through the service. Returns the new rows, at least one; what the user should know besides is a message."""
        raise NotImplementedError

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        people = values.pop("people")
        first, *others = self.create_rows(request, values, [person.pk for person in people])
        for row in others:
            self.log_addition(request, row, [{"added": {}}])
        return first

    def people_field(self, request: HttpRequest) -> forms.Field:
        person = self.model._meta.get_field("person")  # noqa: SLF001 - Django's documented name
        return forms.ModelMultipleChoiceField(
            queryset=self.get_field_queryset(None, person, request),
            widget=AutocompleteSelectMultiple(person, self.admin_site),
            help_text="All of them, or nobody. Type a name or an employee number.",
        )

    def extra_fields(self, request: HttpRequest, row: Any | None) -> dict[str, forms.Field]:
        return {"people": self.people_field(request)} if row is None else {}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str | list[str]]:
        """A link may name one person to begin with: `?person=7`."""
        given = super().get_changeform_initial_data(request)
        person = given.pop("person", "")
        return {**given, "people": [str(person)]} if person else given

    def words(self, request: HttpRequest, refusal: Refusal) -> Said:
        """Refusals name people by id; the page says who they are."""
        del request
        if not isinstance(refusal, self.about_people):
            return said(refusal)
        ids: Collection[int] = getattr(refusal, "missing", ()) or getattr(refusal, "ids", ())
        people = Person.objects.filter(pk__in=list(ids)).order_by("pk")
        return {"people": [*said(refusal)[None], *(f"{person.pk} is {person}." for person in people)]}

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """What was done has been said for everybody; Django's own message would name the first one only."""
        if IS_POPUP_VAR in request.POST or "_continue" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        return self.response_post_save_add(request, obj)

    def tell(self, request: HttpRequest, text: str, level: int = messages.SUCCESS) -> None:
        self.message_user(request, text, level)
