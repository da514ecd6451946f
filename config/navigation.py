"""The admin's sidebar: what staff do, in the order in which they do it. Each role sees what it may open."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

# Title, symbol of the theme's icon font, and the model whose list it is or the name of a page.
Item = tuple[str, str, str]
# Pages that are open to whoever may open this model's list. Others are open to all staff.
PAGE_OF = {"admin:training_matrix": "training.Requirement"}
SECTIONS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "Overview",
        (("Dashboard", "dashboard", "admin:index"), ("Compliance matrix", "grid_on", "admin:training_matrix")),
    ),
    (
        "Training",
        (
            ("Train sessions", "assignment", "training.TrainSession"),
            ("Sessions", "event", "enrollments.Session"),
            ("Enrollments", "event_seat", "enrollments.Enrollment"),
            ("Courses", "menu_book", "enrollments.Course"),
            ("Requirements", "rule", "training.Requirement"),
            ("Units", "confirmation_number", "training.Unit"),
        ),
    ),
    (
        "Programs",
        (
            ("Program sessions", "groups", "programs.ProgramSession"),
            ("Templates", "account_tree", "programs.ProgramTemplate"),
            ("Members", "badge", "programs.ProgramMember"),
        ),
    ),
    ("People", (("People", "person", "accounts.Person"), ("Groups", "group", "accounts.Group"))),
    (
        "Administration",
        (
            ("Bulk operations", "history", "accounts.BulkOperation"),
            ("History", "manage_search", "accounts.HistoryEntry"),
            ("API tokens", "key", "accounts.ApiToken"),
            ("Staff users", "admin_panel_settings", "accounts.User"),
            ("Organizations", "domain", "accounts.Organization"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    for title, items in SECTIONS:
        shown = [found for item in items if (found := _item(request, *item))]
        if shown:
            sections.append({"title": title, "separator": True, "items": shown})
    entries = [item for section in sections for item in section["items"]]
    # One at most: a page's address may begin with that of another model's list.
    here = max((item["link"] for item in entries if _is_at(request, item["link"])), key=len, default="")
    for item in entries:
        item["active"] = item["link"] == here
    return sections


def _is_at(request: HttpRequest, link: str) -> bool:
    return request.path == link if link == reverse("admin:index") else request.path.startswith(link)


def _item(request: HttpRequest, title: str, icon: str, target: str) -> dict[str, Any] | None:
    """None for what this user may not open."""
    label = PAGE_OF.get(target, "" if ":" in target else target)
    if label and not _may_see(request, label):
        return None
    app_label, _, model_name = label.lower().partition(".")
    name = target if ":" in target else f"admin:{app_label}_{model_name}_changelist"
    return {"title": title, "icon": icon, "link": reverse(name)}


def _may_see(request: HttpRequest, label: str) -> bool:
    return admin.site.get_model_admin(apps.get_model(label)).has_view_permission(request)
