from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import password_validation, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.views import ChangeList

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.exporting import PersonResource
from accounts.admin.filters import OwnSelect
from accounts.admin.forms import LedgerForm
from accounts.admin.importing import PEOPLE, Imports
from accounts.admin.sections import ExtendedAdmin, Page, Section
from accounts.models import GroupMember, Organization, Person, User
from accounts.roles import Role, role_of
from accounts.services import people


@admin.register(Organization)
class OrganizationAdmin(LedgerAdmin):
    superusers_only = True
    list_display = ("name", "slug", "company_id", "time_zone")
    search_fields = ("name", "slug", "company_id")
    add_fields = change_fields = ("name", "slug", "company_id", "time_zone")
    facts = ("created_at",)

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Organization:
        return people.create_organization(actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Organization, changes: dict[str, Any]) -> Organization:
        return people.update_organization(actor=actor_of(request), organization=row, changes=changes)


# Where the request keeps that somebody is to be made inactive, which is a page of its own. As REFUSAL in the base.
LEAVES = "training_ledger.leaves"

PageFacts = Callable[[Sequence[Person]], None]


def groups_of(_admin: LedgerAdmin, _request: HttpRequest, person: Person) -> dict[str, Any]:
    rows = GroupMember.objects.of(person.organization).filter(person=person).select_related("group")
    return {"groups": [row.group for row in rows.order_by("group__name", "group_id")]}


class PeopleList(ChangeList):  # type: ignore[misc]  # the theme is published without types
    """Knows of the people on this page, and of no others, what apps above tell of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        people: Sequence[Person] = list(self.result_list)  # type: ignore[has-type]  # set by Django
        for tell in self.model_admin.page_facts:
            tell(people)
        self.result_list = people


@admin.register(Person)
class PersonAdmin(Imports, ExtendedAdmin):
    imports, resource = PEOPLE, PersonResource
    change_form_template = "admin/accounts/person/page.html"
    list_display = ("employee_id", "full_name", "active", "kind", "username", "mail")
    list_filter = ("active", "kind", ("groups", OwnSelect))
    # Of the apps above, which register theirs: people do not know what is kept about them.
    more_filters: ClassVar[list[type[admin.SimpleListFilter]]] = []
    more_columns: ClassVar[list[Callable[[Person], Any]]] = []
    page_facts: ClassVar[list[PageFacts]] = []
    sections: ClassVar[list[Section]] = []
    pages: ClassVar[list[Page]] = []
    # The name of the page that making somebody inactive goes through, where there is one.
    leaving_page: ClassVar[str] = ""
    search_fields = ("search_name", "employee_id", "username", "mail")
    ordering = ("employee_id", "pk")
    add_fields = change_fields = (
        "employee_id",
        "first_name",
        "last_name",
        "mail",
        "username",
        "kind",
        "hex_id",
        "active",
    )
    facts = ("created_at",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PeopleList]:
        del request, kwargs
        return PeopleList

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (*super().get_list_filter(request), *self.more_filters)

    def get_list_display(self, request: HttpRequest) -> Any:
        number, name, active, *others = super().get_list_display(request)
        return (number, name, active, *self.more_columns, *others)

    @admin.display(description="name", ordering="search_name")
    def full_name(self, person: Person) -> str:
        return person.full_name

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Person:
        organization = self.organization_for(request, values)
        return people.create_person(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Person, changes: dict[str, Any]) -> Person:
        """All but making somebody inactive, which takes back what is open: that is looked at first."""
        if self.leaving_page and row.active and changes.get("active") is False:
            request.META[LEAVES] = True
            changes = {name: value for name, value in changes.items() if name != "active"}
            if not changes:
                return row
        return people.update_person(organization=row.organization, actor=actor_of(request), person=row, changes=changes)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        if LEAVES in request.META:
            form.changed_data = [name for name in form.changed_data if name != "active"]
        return super().construct_change_message(request, form, formsets, add)

    def response_change(self, request: HttpRequest, obj: Person) -> HttpResponse:
        if LEAVES not in request.META:
            return super().response_change(request, obj)
        text = f"{obj.full_name} is still active. Look at what making them inactive does, then confirm."
        self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(reverse(f"admin:{self.leaving_page}", args=[obj.pk]))


PersonAdmin.sections.append(Section("admin/accounts/person/groups.html", groups_of))


class UserForm(LedgerForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        staff_only = cleaned.get("is_staff") and not cleaned.get("is_superuser")
        if staff_only and "organization" in cleaned and cleaned["organization"] is None:
            self.add_error("organization", "Staff who are no superusers belong to an organization.")
        password = cleaned.get("new_password")
        if password and password != cleaned.get("new_password_again"):
            self.add_error("new_password_again", "The two passwords are not the same.")
        elif password:
            try:
                password_validation.validate_password(password, self.instance)
            except forms.ValidationError as error:
                self.add_error("new_password", error)
        return cleaned


@admin.register(User)
class UserAdmin(LedgerAdmin):
    superusers_only = True
    form = UserForm
    list_display = ("email", "first_name", "last_name", "organization", "is_staff", "is_superuser", "is_active")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "first_name", "last_name")
    related = ("organization", "person")
    autocomplete_fields = ("person",)
    add_fields = change_fields = (
        "email",
        "first_name",
        "last_name",
        "organization",
        "role",
        "person",
        "is_staff",
        "is_superuser",
        "is_active",
        "new_password",
        "new_password_again",
    )
    facts = ("last_login", "created_at")

    def extra_fields(self, request: HttpRequest, row: Any | None) -> dict[str, forms.Field]:
        del request
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        kept = "" if row is None else "Empty: the password stays as it is."
        role = None if row is None else role_of(row)
        return {
            "role": forms.ChoiceField(
                choices=[("", "---------"), *((role.value, role.value) for role in Role)],
                required=False,
                initial=role or "",
                help_text="What staff may do in the organization. Without one, and no superuser: nothing.",
            ),
            "new_password": forms.CharField(
                label="Password", strip=False, widget=widget, required=row is None, help_text=kept
            ),
            "new_password_again": forms.CharField(
                label="Password, again", strip=False, widget=widget, required=row is None
            ),
        }

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> User:
        del values["new_password_again"]
        role = _role(values.pop("role"))
        return people.create_user(actor=actor_of(request), password=values.pop("new_password"), role=role, **values)

    def change_row(self, request: HttpRequest, row: User, changes: dict[str, Any]) -> User:
        changes.pop("new_password_again", None)
        if password := changes.pop("new_password", ""):
            changes["password"] = password
        if "role" in changes:
            changes["role"] = _role(changes["role"])
        user = people.update_user(actor=actor_of(request), user=row, changes=changes)
        if password and user.pk == request.user.pk:
            # A changed password ends the user's sessions; this one goes on.
            update_session_auth_hash(request, user)
        return user


def _role(name: str) -> Role | None:
    return Role(name) if name else None
