"""The admin of who there is, and the base (`base`) on which every app builds its own."""

from django.contrib import admin
from django.contrib.auth import admin as auth_admin  # noqa: F401 - registers groups, before they are taken off below
from django.contrib.auth.models import Group

from accounts.admin import groups, history, operations, people, tokens

__all__ = ["groups", "history", "operations", "people", "tokens"]

# Groups grant nothing here yet, and Django's own page for them writes by itself.
admin.site.unregister(Group)
admin.site.site_header = "Training Ledger"
admin.site.site_title = "Training Ledger"
admin.site.index_title = "Administration"
