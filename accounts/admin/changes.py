"""What the history says, in words: who, which row, and each changed column by its label with both its values.

The history outlives what it tells of: a row, an actor, a column or a model that is gone is named by what is left.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import Truncator, capfirst

from accounts.actors import Actor
from accounts.history import LINKS, Link
from accounts.models import BulkRow, HistoryEntry, OperationKind, Organization

NOTHING = "\N{EN DASH}"
LONGEST = 200  # Characters of a value that are shown.
PAGE = 50
MOST_OPERATIONS = 20

# Which rows the rows of an operation are about.
TARGETS = {
    OperationKind.BULK_ENROLL: "enrollments.Enrollment",
    OperationKind.ASSIGN: "training.TrainSession",
    OperationKind.UNASSIGN: "training.TrainSession",
    OperationKind.UNDO: "training.TrainSession",
    OperationKind.APPLY_REQUIREMENTS: "training.TrainSession",
    OperationKind.CORRECT: "training.TrainSession",
    OperationKind.IMPORT_PEOPLE: "accounts.Person",
    OperationKind.IMPORT_COURSES: "enrollments.Course",
    OperationKind.IMPORT_RECORDS: "training.TrainSession",
}
KINDS = {"user": "accounts.User", "token": "accounts.ApiToken"}

Key = tuple[str, int]


@dataclass
class Told:
    """One entry in words. `row` is the row's name, `address` its page where it still has one for this user.

    Of a row that links these are its parent's, and `said` is what was linked.
    """

    entry: HistoryEntry
    at: datetime
    who: str
    model: str
    row: str
    address: str
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    said: str = ""

    @property
    def when(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def act(self) -> str:
        """To the row on whose page it is told: there a link was added, and no row created."""
        acts = HistoryEntry.Act
        linked = {acts.CREATED: "Added", acts.DELETED: "Removed"} if self.said else {}
        return linked.get(acts(self.entry.act)) or str(self.entry.get_act_display())


def in_words(request: HttpRequest, entries: Sequence[HistoryEntry], *, most_models: int | None = None) -> list[Told]:
    """One query for each model that the entries name (of these, the `most_models` that they name most often), and
    two more for who did it. What is not looked up is named by its number. The entries come with their organizations.
    """
    organizations = {
        entry.organization_id: entry.organization for entry in entries if entry.organization_id is not None
    }
    zones = {pk: organization.zone for pk, organization in organizations.items() if organization}
    names = _names(entries, set(organizations), most_models)
    names |= {("accounts.Organization", pk): str(found) for pk, found in organizations.items() if found}
    return [_told(request, entry, names, zones.get(entry.organization_id or 0)) for entry in entries]


def _told(request: HttpRequest, entry: HistoryEntry, names: Mapping[Key, str], zone: tzinfo | None) -> Told:
    zone = zone or timezone.get_current_timezone()
    link = link_of(entry)
    label, row_id = key = _subject(entry)
    model = model_of(label)
    listed = [column for column in entry.changes if link is None or column not in (*link.columns, "organization_id")]
    return Told(
        entry,
        at=entry.at.astimezone(zone),
        who=who(entry.actor, names),
        model=capfirst(str(model._meta.verbose_name)) if model else label,  # noqa: SLF001 - Django's documented name
        row=names.get(key, str(row_id)),
        address=_address(request, model, row_id) if key in names else "",
        changes=[_change(entry, column, names, zone) for column in _in_order(model_of(entry.model), listed)],
        said=_said(entry, link, names, zone) if link else "",
    )


def link_of(entry: HistoryEntry) -> Link | None:
    """None, too, for a link of before links were told of: such an entry does not name its parent."""
    return LINKS.get(entry.model) if entry.parent_id is not None else None


def _subject(entry: HistoryEntry) -> Key:
    """Which row an entry is about, in words: a link's parent, where it is known what that is."""
    link = link_of(entry)
    found = _fields(model_of(entry.model)).get(link.parent) if link else None
    if found is None or entry.parent_id is None:
        return entry.model, entry.row_id
    return found.related_model._meta.label, entry.parent_id  # noqa: SLF001 - as above


def _said(entry: HistoryEntry, link: Link, names: Mapping[Key, str], zone: tzinfo) -> str:
    """Such as: Role Facilitator given to ada@example.com."""
    fields, held = _fields(model_of(entry.model)), entry.changes

    def name(column: str) -> str:
        value = held.get(column)
        return shown(fields.get(column), value[-1] if isinstance(value, list) else value, names, zone)

    acts = HistoryEntry.Act
    verb = {acts.CREATED: link.made, acts.DELETED: link.gone}.get(acts(entry.act), "of")
    others = [text for column in link.others if (text := name(column)) != NOTHING]
    return " ".join([link.what, *others, verb, name(link.parent)])


def model_of(label: str) -> type[models.Model] | None:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


def who(ref: str, names: Mapping[Key, str]) -> str:
    if not ref:
        return "database"
    if ref == Actor.system().ref:
        return "system"
    kind, _, number = ref.partition("-")
    found = names.get((KINDS.get(kind, ""), int(number) if number.isdecimal() else 0))
    return ref if found is None else f"token {found}" if kind == "token" else found


def _address(request: HttpRequest, model: type[models.Model] | None, row_id: int) -> str:
    if model is None:
        return ""
    try:
        model_admin = admin.site.get_model_admin(model)
    except NotRegistered:
        return ""
    if not model_admin.has_view_permission(request):
        return ""
    opts = model._meta  # noqa: SLF001 - Django's documented name
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row_id])


# Names.


def _names(entries: Iterable[HistoryEntry], organizations: set[int], most_models: int | None) -> dict[Key, str]:
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    often: Counter[str] = Counter()
    for label, pk in (key for entry in entries for key in _named_in(entry)):
        wanted[label] |= {pk}
        often[label] += 1
    actors = [label for label in KINDS.values() if label in wanted]
    others = [label for label, _ in often.most_common() if label not in (*actors, "accounts.Organization")]
    return {
        (label, row.pk): str(row)
        for label in [*actors, *others[:most_models]]
        for row in _rows(label, wanted[label], organizations)
    }


def _named_in(entry: HistoryEntry) -> Iterable[Key]:
    yield _subject(entry)
    kind, _, number = entry.actor.partition("-")
    if kind in KINDS and number.isdecimal():
        yield KINDS[kind], int(number)
    fields = _fields(model_of(entry.model))
    for column, value in entry.changes.items():
        found = fields.get(column)
        if isinstance(found, models.ForeignKey):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, int):
                    yield found.related_model._meta.label, one  # noqa: SLF001 - as above


def _rows(label: str, ids: set[int], organizations: set[int]) -> Iterable[models.Model]:
    """Those that are still there, of the entries' organizations and of none other, with what their names are made of.

    Staff belong to no organization where they are superusers.
    """
    model = model_of(label)
    if model is None:
        return []
    rows = model._default_manager.filter(pk__in=ids)  # noqa: SLF001 - as above
    opts = model._meta  # noqa: SLF001 - as above
    if any(one.name == "organization" for one in opts.concrete_fields) and label not in KINDS.values():
        rows = rows.filter(organization__in=organizations)
    related = [one.name for one in opts.concrete_fields if isinstance(one, models.ForeignKey)]
    return rows.select_related(*[name for name in related if name != "organization"])


# Values.


def _fields(model: type[models.Model] | None) -> dict[str, Any]:
    return {str(one.column): one for one in model._meta.concrete_fields} if model else {}  # noqa: SLF001 - as above


def _in_order(model: type[models.Model] | None, columns: Iterable[str]) -> list[str]:
    """As the model declares them, and not by length, as PostgreSQL keeps them."""
    places = {column: place for place, column in enumerate(_fields(model))}
    return sorted(columns, key=lambda column: (places.get(column, len(places)), column))


def _change(entry: HistoryEntry, column: str, names: Mapping[Key, str], zone: tzinfo) -> tuple[str, str, str]:
    """The label, the value before and the one after."""
    found = _fields(model_of(entry.model)).get(column)
    label = capfirst(str(found.verbose_name)) if found is not None else column
    value = entry.changes[column]
    pair = value if entry.act == HistoryEntry.Act.CHANGED else [value, None]
    before, after = (shown(found, one, names, zone) for one in pair)
    return label, before, after


def shown(found: Any, value: Any, names: Mapping[Key, str], zone: tzinfo) -> str:
    """A value as the databases write it in JSON: SQLite knows no dates, no yes and no, and no exact numbers."""
    if value is None or value == "":
        return NOTHING
    try:
        text = _text(found, value, names, zone)
    except (ValueError, TypeError, InvalidOperation):  # Of a column that has been of another kind.
        text = str(value)
    return Truncator(text).chars(LONGEST)


def _text(found: Any, value: Any, names: Mapping[Key, str], zone: tzinfo) -> str:
    text = str(value)
    match found:
        case models.ForeignKey():
            target = found.related_model._meta  # noqa: SLF001 - as above
            text = names.get((target.label, value), f"{target.verbose_name} {value}")
        case models.BooleanField():
            text = "yes" if int(value) else "no"
        case models.DateTimeField():
            text = _instant(text, zone)
        case models.DecimalField():
            text = f"{Decimal(text).normalize():f}"
        case models.UUIDField():
            text = str(UUID(text))
        case models.JSONField():
            text = _listed(json.loads(value) if isinstance(value, str) else value)
        case models.Field() if found.choices:
            text = str(dict(found.flatchoices).get(value, value))
    return text


def _instant(text: str, zone: tzinfo) -> str:
    instant = parse_datetime(text)
    if instant is None:
        return text
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return f"{aware.astimezone(zone):%Y-%m-%d %H:%M}"


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items()) or NOTHING
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or NOTHING


# One row's own.


def _entry_ids(organization_id: int | None, row: models.Model) -> models.QuerySet[HistoryEntry, int]:
    """The row's own and those of what was linked to it, newest first: each half is read in the order of its index."""
    label = row._meta.label  # noqa: SLF001 - as above
    entries = HistoryEntry.objects.filter(organization=organization_id).order_by()
    found = entries.filter(model=label, row_id=row.pk).values_list("pk", flat=True)
    linked = [one for one, link in LINKS.items() if _parent_label(one, link) == label]
    if linked:
        found = found.union(entries.filter(model__in=linked, parent_id=row.pk).values_list("pk", flat=True), all=True)
    return found.order_by("-pk")


def _parent_label(label: str, link: Link) -> str:
    found = _fields(model_of(label)).get(link.parent)
    return "" if found is None else str(found.related_model._meta.label)  # noqa: SLF001 - as above


def history_of(request: HttpRequest, row: models.Model) -> dict[str, Any]:
    """For the page of a row's history: PAGE entries, newest first, and what operations did to it."""
    opts = row._meta  # noqa: SLF001 - as above
    organization_id = row.pk if isinstance(row, Organization) else getattr(row, "organization_id", None)
    given = request.GET.get("p", "")
    number = int(given) if given.isascii() and given.isdecimal() and 0 < len(given) < 7 else 1  # noqa: PLR2004 - digits
    number = max(number, 1)
    ids = list(_entry_ids(organization_id, row)[(number - 1) * PAGE : number * PAGE + 1])
    told = list(HistoryEntry.objects.filter(pk__in=ids).select_related("organization").order_by("-pk"))
    kinds = [kind for kind, label in TARGETS.items() if label == opts.label]
    done: list[tuple[str, BulkRow]] = []
    if kinds and organization_id is not None:
        zone = Organization.objects.get(pk=organization_id).zone
        rows = BulkRow.objects.filter(organization=organization_id, target_id=row.pk, operation__kind__in=kinds)
        done = [
            (f"{one.operation.created_at.astimezone(zone):%Y-%m-%d %H:%M:%S}", one)
            for one in rows.select_related("operation").order_by("-operation_id", "-pk")[:MOST_OPERATIONS]
        ]
    return {
        "told": in_words(request, told[:PAGE]),
        "operations": done,
        "number": number,
        "newer": number - 1,
        "older": number + 1 if len(told) > PAGE else 0,
    }
