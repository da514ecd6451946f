from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import password_validation, update_session_auth_hash
from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.forms import LedgerForm
from accounts.models import Organization, Person, User
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


@admin.register(Person)
class PersonAdmin(LedgerAdmin):
    list_display = ("employee_id", "full_name", "username", "mail", "kind", "active")
    list_filter = ("active", "kind")
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

    @admin.display(description="name", ordering="search_name")
    def full_name(self, person: Person) -> str:
        return person.full_name

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Person:
        organization = self.organization_for(request, values)
        return people.create_person(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Person, changes: dict[str, Any]) -> Person:
        return people.update_person(organization=row.organization, actor=actor_of(request), person=row, changes=changes)


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
    related = ("organization",)
    add_fields = change_fields = (
        "email",
        "first_name",
        "last_name",
        "organization",
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
        return {
            "new_password": forms.CharField(
                label="Password", strip=False, widget=widget, required=row is None, help_text=kept
            ),
            "new_password_again": forms.CharField(
                label="Password, again", strip=False, widget=widget, required=row is None
            ),
        }

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> User:
        del values["new_password_again"]
        return people.create_user(actor=actor_of(request), password=values.pop("new_password"), **values)

    def change_row(self, request: HttpRequest, row: User, changes: dict[str, Any]) -> User:
        changes.pop("new_password_again", None)
        if password := changes.pop("new_password", ""):
            changes["password"] = password
        user = people.update_user(actor=actor_of(request), user=row, changes=changes)
        if password and user.pk == request.user.pk:
            # A changed password ends the user's sessions; this one goes on.
            update_session_auth_hash(request, user)
        return user
