"""Undoing an unassign, from the page of its operation."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.bulk import Done, RowOutcome
from accounts.errors import Refusal
from accounts.models import BulkOperation, OperationKind, Outcome
from accounts.wording import describe
from training.admin.acts import operation_link, sessions
from training.models import TrainSession
from training.services.undoing import undo

SAMPLE = 20


def undo_section(admin: LedgerAdmin, request: HttpRequest, operation: BulkOperation) -> dict[str, Any] | None:
    if operation.kind != OperationKind.UNASSIGN or not operation.counts.get(Outcome.UNASSIGNED):
        return None
    if not admin.has_administer_permission(request):
        return None
    return {"link": reverse("admin:training_undo", args=[operation.pk])}


def undo_page(admin: LedgerAdmin, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
    """A dry run says what can be restored; confirmed, it is done."""
    if not admin.has_administer_permission(request):
        raise PermissionDenied
    back = reverse("admin:accounts_bulkoperation_change", args=[operation.pk])
    told: list[RowOutcome] = []
    confirmed = request.method == "POST"
    try:
        done = undo(operation=operation, actor=actor_of(request), dry_run=not confirmed, tell=told.extend,
                    details={"from": "the operation's page"})  # fmt: skip
    except Refusal as refusal:
        admin.message_user(request, describe(refusal), messages.ERROR)
        return HttpResponseRedirect(back)
    if confirmed:
        _say(admin, request, done)
        return HttpResponseRedirect(back)
    return _preview(admin, request, operation, told, done)


def _say(admin: LedgerAdmin, request: HttpRequest, done: Done) -> None:
    if done.operation_id is None:
        admin.message_user(request, done.stopped, messages.INFO)
        return
    restored, refused = (done.counts.get(outcome, 0) for outcome in (Outcome.RESTORED, Outcome.REFUSED))
    text = f"{sessions(restored)} restored" + (f", {refused:,} could not be" if refused else "") + ". "
    level = messages.SUCCESS if restored else messages.WARNING
    admin.message_user(request, operation_link(done, before=text), level)


def _preview(
    admin: LedgerAdmin, request: HttpRequest, operation: BulkOperation, told: list[RowOutcome], done: Done
) -> HttpResponse:
    restored = [one for one in told if one.outcome == Outcome.RESTORED]
    shown = [one.target_id for one in restored[:SAMPLE] if one.target_id is not None]
    records = TrainSession.objects.of(operation.organization).filter(pk__in=shown)
    context = {
        **admin.admin_site.each_context(request),
        "title": f"Undo operation {operation.pk}",
        "opts": admin.opts,
        "operation": operation,
        "restored": len(restored),
        "counted": sessions(len(restored)),
        "sample": list(records.select_related("person", "course").order_by("pk")),
        "more": len(restored) - len(shown),
        "notes": sorted(Counter(one.reason for one in restored if one.reason).items())[:SAMPLE],
        "left": Counter(one.reason for one in told if one.outcome != Outcome.RESTORED).most_common(SAMPLE),
        "left_alone": len(told) - len(restored),
        "stopped": done.stopped,
        "back": reverse("admin:accounts_bulkoperation_change", args=[operation.pk]),
    }
    return TemplateResponse(request, "admin/training/record_undo.html", context)
