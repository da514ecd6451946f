"""A session's roster and what is done with it: results, enrolling, cancelling, downloads."""

import csv
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, Q, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin.base import LedgerAdmin, actor_of, staff_user
from accounts.admin.inlines import Grid, Line
from accounts.bulk import InputRow, RowOutcome
from accounts.errors import Refusal
from accounts.models import Outcome
from accounts.roles import Role, role_of
from accounts.tables import harmless
from accounts.wording import describe
from enrollments.admin.bars import seats_bar
from enrollments.admin.forms import CancelForm, EnrollForm, ResultForm
from enrollments.errors import SessionNotBegun
from enrollments.invitations import invitation
from enrollments.models import OPEN_STATUSES, Enrollment, EnrollmentStatus, SessionStatus
from enrollments.services import bulk, catalogue, results

ROWS_PER_PAGE = 200
"""A roster's rows on one page: so many are entered under the session's lock at once."""

PREFIX = "row-"

# What became of a pasted line, in a word, with the colour that goes with it.
WORDS = {Outcome.ENROLLED: ("Enrolled", "good"), Outcome.REPEATED: ("Named twice", "plain")}

View = Callable[[HttpRequest, Any], HttpResponse]


class RosterPages(LedgerAdmin):
    """The pages of one session. Each is met by whoever meets the session; what it does depends on the role."""

    def roster_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, str, View]] = [
            ("roster/", "roster", self.roster_view),
            ("enroll/", "enroll", self.enroll_view),
            ("present/", "present", self.present_view),
            ("cancel/", "cancel", self.cancel_view),
            ("roster.csv", "download", self.download_view),
            ("invitation.ics", "invitation", self.invitation_view),
        ]
        return [
            path(
                f"<int:session_id>/{route}",
                self.admin_site.admin_view(self._of(view)),
                name=f"enrollments_session_{name}",
            )
            for route, name, view in pages
        ]

    def _of(self, view: View) -> Callable[..., HttpResponse]:
        """The session of the address, where this user meets it; else it is not there."""

        def answer(request: HttpRequest, session_id: int) -> HttpResponse:
            session = (
                self.get_queryset(request).select_related("organization", "facilitator").filter(pk=session_id).first()
            )
            if session is None:
                raise Http404
            return self._shown(request, lambda: view(request, session), session.pk)

        return answer

    # Who may do what. Sessions are narrowed by `rows`: a facilitator meets the own ones only.

    def may_enter_results(self, request: HttpRequest) -> bool:
        user = staff_user(request)
        return user is not None and role_of(user) in (Role.ADMINISTRATOR, Role.FACILITATOR)

    def _require(self, *, allowed: bool) -> None:
        if not allowed:
            raise PermissionDenied

    # What the session's page and the pages beside it show.

    def session_page(
        self, request: HttpRequest, session: Any, grid: Grid | None = None, enroll: forms.Form | None = None
    ) -> dict[str, Any]:
        administers = self.has_administer_permission(request)
        page = self._page(request, session)
        counts = Enrollment.objects.of(session.organization).filter(session=session)
        counted = counts.aggregate(
            enrolled=Count("pk", filter=Q(status=EnrollmentStatus.ENROLLED)),
            finished=Count("pk", filter=Q(status__in=[EnrollmentStatus.COMPLETED, EnrollmentStatus.FAILED])),
            absent=Count("pk", filter=Q(status=EnrollmentStatus.ABSENT)),
        )
        open_for_more = session.status in OPEN_STATUSES
        grid = grid or Grid(self._rows(page.object_list), self._form_of(request, session))
        return {
            "session": session,
            "seats": seats_bar(taken=session.seats_taken, limit=session.seats_there_are),
            "free": None if session.seats_there_are is None else max(session.seats_there_are - session.seats_taken, 0),
            "counted": counted,
            "passed_with": score_text(session.course.pass_score),
            "page": page,
            "grid": grid,
            "roster": [(line, score_text(line.row.score)) for line in grid.lines],
            "begun": session.starts_at <= timezone.now(),
            "enters_results": self.may_enter_results(request),
            "enrolls": administers and open_for_more,
            "cancels": administers and open_for_more,
            "enroll_form": enroll or self.enroll_form(request, None),
        }

    def _page(self, request: HttpRequest, session: Any) -> Any:
        cancelled_last = Case(When(status=EnrollmentStatus.CANCELLED, then=1), default=0, output_field=IntegerField())
        rows: QuerySet[Enrollment] = Enrollment.objects.of(session.organization).filter(session=session)
        rows = rows.select_related("person").order_by(cancelled_last, "person__search_name", "pk")
        return Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))

    @staticmethod
    def _rows(rows: Sequence[Enrollment]) -> list[tuple[str, Enrollment]]:
        return [(f"{PREFIX}{row.pk}", row) for row in rows]

    def _form_of(self, request: HttpRequest, session: Any) -> Any:
        enters, cancels = self.may_enter_results(request), self.has_administer_permission(request)

        def form(row: Enrollment, *, data: Mapping[str, Any] | None, prefix: str) -> forms.Form | None:
            # A finished one is shown only; but what was typed on a page that was opened before is answered.
            if not enters or (data is None and row.status != EnrollmentStatus.ENROLLED):
                return None
            needs_score = session.course.pass_score is not None
            return ResultForm(data=data, prefix=prefix, person=row.person, needs_score=needs_score, may_cancel=cancels)

        return form

    def enroll_form(self, request: HttpRequest, data: Mapping[str, Any] | None) -> EnrollForm:
        person = Enrollment._meta.get_field("person")  # noqa: SLF001 - Django's documented name
        form = EnrollForm(data, prefix=None)
        form.fields["people"] = forms.ModelMultipleChoiceField(
            label="People",
            queryset=self.get_field_queryset(None, person, request),
            required=False,
            widget=AutocompleteSelectMultiple(person, self.admin_site),
            help_text="Type a name or an employee number.",
        )
        form.order_fields(["people", "numbers", "fit"])
        return form

    def _answer(self, request: HttpRequest, template: str, row: Any, /, **context: Any) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "original": row, **context}
        context = {"media": self.media, "back": self._back(row), **context}
        return TemplateResponse(request, f"admin/enrollments/{template}.html", context)

    @staticmethod
    def _back(session: Any, query: str = "") -> str:
        return reverse("admin:enrollments_session_change", args=[session.pk]) + query

    def _log(self, request: HttpRequest, session: Any, ids: Sequence[int], flag: int, message: Any) -> None:
        user = staff_user(request)
        assert user is not None  # noqa: S101 - whoever wrote these rows
        rows: Any = Enrollment.objects.of(session.organization).filter(pk__in=ids).select_related("person", "session")
        LogEntry.objects.log_actions(user.pk, rows, flag, change_message=message)

    # Results.

    def roster_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        """The roster by itself. What is sent is entered row by row; rows that are refused come back as typed."""
        grid = None
        if request.method == "POST":
            self._require(allowed=self.may_enter_results(request))
            grid = self._enter(request, session)
            if grid is None:
                page = request.GET.get("page", "")
                return HttpResponseRedirect(
                    self._back(session, f"?page={page}" if page.isdecimal() else "") + "#roster"
                )
            session = self.get_queryset(request).select_related("organization").get(pk=session.pk)
        context = self.session_page(request, session, grid=grid)
        return self._answer(request, "roster", session, title=f"Roster of {session}", **context)

    def _enter(self, request: HttpRequest, session: Any) -> Grid | None:
        """None where nothing was refused; else the rows as they are now, the refused ones with what was typed."""
        form_of = self._form_of(request, session)
        sent = Grid(self._rows(self._posted(request, session)), form_of, sent=request.POST)
        given = [self._result(line) for line in sent.changed if line.valid]
        refused = {line.prefix: list[str]() for line in sent.changed if not line.valid}
        try:
            entered = results.enter(
                organization=session.organization, actor=actor_of(request), session_id=session.pk, results=given
            )
        except Refusal as refusal:
            self.message_user(request, describe(refusal), messages.ERROR)
            entered = results.Entered()
            refused |= {f"{PREFIX}{one.enrollment_id}": list[str]() for one in given}
        for row_id, why in entered.refused.items():
            refused[f"{PREFIX}{row_id}"] = [describe(why)]
        self._tell(request, session, entered.saved, len(refused))
        if not refused:
            return None
        shown = Grid(self._rows(self._posted(request, session)), form_of, sent=request.POST, only=refused)
        for line in shown.lines:
            line.refused = refused.get(line.prefix, [])
        return shown

    def _posted(self, request: HttpRequest, session: Any) -> Sequence[Enrollment]:
        """The page's rows, and any other of the session for which something was sent: rows move between pages."""
        page = self._page(request, session)
        here = {row.pk for row in page.object_list}
        names = {name.rpartition("-")[0].removeprefix(PREFIX) for name in request.POST if name.startswith(PREFIX)}
        ids = {int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 19}  # noqa: PLR2004 - fits a column
        others = Enrollment.objects.of(session.organization).filter(session=session, pk__in=ids - here)
        return [*page.object_list, *(others.select_related("person").order_by("pk") if ids - here else ())]

    @staticmethod
    def _result(line: Line) -> results.Result:
        assert line.form is not None  # noqa: S101 - a changed line has one
        given = line.form.cleaned_data
        return results.Result(line.row.pk, EnrollmentStatus(given["status"]), given["score"])

    def _tell(self, request: HttpRequest, session: Any, saved: Sequence[Enrollment], refused: int) -> None:
        if not saved and not refused:
            self.message_user(request, "Nothing was changed on the roster.", messages.INFO)
            return
        by_status: dict[str, list[int]] = {}
        for row in saved:
            by_status.setdefault(row.get_status_display(), []).append(row.pk)
        for status, ids in by_status.items():
            self._log(request, session, ids, CHANGE, f"{status}.")
        text = f"{len(saved)} saved" + (f", {refused} refused" if refused else "") + "."
        self.message_user(request, text, messages.WARNING if refused else messages.SUCCESS)

    def present_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        """Asks first, and counts. A course that is passed by a score is not completed without one."""
        self._require(allowed=self.may_enter_results(request))
        counted = Enrollment.objects.of(session.organization).filter(session=session)
        count = counted.filter(status=EnrollmentStatus.ENROLLED).count()
        by_score = session.course.pass_score is not None
        if request.method == "POST" and not by_score:
            try:
                rows = results.mark_present(
                    organization=session.organization, actor=actor_of(request), session_id=session.pk
                )
            except Refusal as refusal:
                self.message_user(request, describe(refusal), messages.ERROR)
            else:
                self._log(request, session, [row.pk for row in rows], CHANGE, "Completed.")
                self.message_user(request, f"{_people(len(rows))} marked complete.", messages.SUCCESS)
            return HttpResponseRedirect(self._back(session))
        still = "The 1 person who is" if count == 1 else f"The {count} people who are"
        begun = session.starts_at <= timezone.now()
        if not begun:
            says = [describe(SessionNotBegun(timezone.localtime(session.starts_at, session.organization.zone)))]
        elif by_score:
            passed = score_text(session.course.pass_score)
            says = [f"{session.course} is passed with {passed}: enter each person's score on the roster instead."]
        elif count:
            says = [
                f"{still} still enrolled will be marked complete, without a score.",
                "Whoever did not come: mark them absent on the roster first.",
            ]
        else:
            says = ["Nobody is enrolled and unfinished: there is nothing to mark."]
        button = "" if by_score or not begun or not count else f"Mark {_people(count)} complete"
        return self._answer(request, "confirm", session, title="Mark all present complete", says=says, button=button)

    # Enrolling.

    def enroll_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        """Each name that was given gets an answer."""
        self._require(allowed=self.has_administer_permission(request) and session.status in OPEN_STATUSES)
        form = self.enroll_form(request, request.POST if request.method == "POST" else None)
        told: list[RowOutcome] = []
        if form.is_valid():
            form = self._enroll(request, session, form, told)
            session = self.get_queryset(request).select_related("organization", "facilitator").get(pk=session.pk)
        context = self.session_page(request, session, enroll=form)
        return self._answer(
            request,
            "enroll",
            session,
            title=f"Enroll people in {session}",
            answers=[(one, *WORDS.get(one.outcome, ("Not enrolled", "bad"))) for one in told],
            **{**context, "media": self.media + form.media},
        )

    def _enroll(self, request: HttpRequest, session: Any, form: EnrollForm, told: list[RowOutcome]) -> EnrollForm:
        """The form to show next: what was refused is left in it, to be put right."""
        rows = [InputRow(line, {"employee_id": number}) for line, number in enumerate(form.wanted, start=1)]
        try:
            done = bulk.enroll_acceptable(
                organization=session.organization,
                actor=actor_of(request),
                session_id=session.pk,
                column="employee_id",
                rows=rows,
                on_full=bulk.OnFull.PARTIAL if form.cleaned_data["fit"] else bulk.OnFull.FAIL,
                details={"session": session.pk, "from": "admin"},
                tell=told.extend,
            )
        except Refusal as refusal:
            told[:] = []
            form.add_error(None, describe(refusal))
            return form
        if done.stopped:
            form.add_error(None, f"{done.stopped} Nobody was enrolled.")
            return form
        made = [one.target_id for one in told if one.outcome == Outcome.ENROLLED and one.target_id is not None]
        left = list(dict.fromkeys(one.key for one in told if one.outcome == Outcome.REFUSED))
        self._log(request, session, made, ADDITION, [{"added": {}}])
        text = f"{_people(len(made))} enrolled" + (f", {len(left)} not enrolled" if left else "") + "."
        self.message_user(request, text, messages.WARNING if left else messages.SUCCESS)
        fresh = self.enroll_form(request, None)
        fresh.initial = {"numbers": "\n".join(left), "fit": form.cleaned_data["fit"]}
        return fresh

    # Cancelling.

    def cancel_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        self._require(allowed=self.has_administer_permission(request))
        form = CancelForm(request.POST if request.method == "POST" else None)
        if session.status not in OPEN_STATUSES:
            self.message_user(request, f"The session is {session.status} already.", messages.INFO)
            return HttpResponseRedirect(self._back(session))
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                catalogue.update_session(
                    organization=session.organization,
                    actor=actor_of(request),
                    session_id=session.pk,
                    changes={"status": SessionStatus.CANCELLED, "cancel_reason": reason},
                )
            except Refusal as refusal:
                form.add_error(None, describe(refusal))
            else:
                self.log_change(request, session, f"Cancelled: {reason}")
                self.message_user(request, f"{session} is cancelled.", messages.SUCCESS)
                return HttpResponseRedirect(self._back(session))
        rows = Enrollment.objects.of(session.organization).filter(session=session)
        ending = rows.filter(status=EnrollmentStatus.ENROLLED).count()
        kept = rows.holding_a_seat().count() - ending
        says = [
            f"Cancels the enrollment of {_people(ending)}.",
            "What it asked of them is no longer owed, unless they have begun it or something else asks for it.",
            *([f"{_people(kept)} with a result or marked absent keep it."] if kept else []),
            "A cancelled session stays cancelled.",
        ]
        return self._answer(
            request, "confirm", session, title=f"Cancel {session}", says=says, form=form, button="Cancel the session"
        )

    # Downloads.

    def download_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        """Who has a seat, with room to sign."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        # Spreadsheets take a file without the mark for one in the machine's own encoding.
        response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="roster-{session.pk}.csv"'
        writer = csv.writer(response)
        writer.writerow(["employee_id", "name", "mail", "status", "score", "signature"])
        rows = Enrollment.objects.of(session.organization).holding_a_seat().filter(session=session)
        for row in rows.select_related("person").order_by("person__search_name", "pk"):
            person = row.person
            told = [harmless(text) for text in (person.employee_id, person.full_name, person.mail)]
            writer.writerow([*told, row.status, score_text(row.score), ""])
        return response

    def invitation_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = HttpResponse(invitation(session), content_type="text/calendar; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="session-{session.pk}.ics"'
        return response


def score_text(score: Decimal | None) -> str:
    """As it was given: 82, not 82.0000."""
    return "" if score is None else f"{score.normalize():f}"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
