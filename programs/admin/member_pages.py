"""Who is in a program session: how far they are, adding people, removing them."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin.base import LedgerAdmin, actor_of, is_id, staff_user
from accounts.errors import PeopleInactive, Refusal
from accounts.wording import describe, listed
from enrollments.admin.bars import seats_bar, share_bar
from enrollments.errors import SessionFull
from programs import selectors
from programs.admin.forms import JoinForm
from programs.errors import RequirementsNotMet
from programs.models import ProgramMember, ProgramRequirement, ProgramTutor
from programs.services import joining, membership

ROWS_PER_PAGE = 200
MOST_LISTED = 20

View = Callable[[HttpRequest, Any], HttpResponse]
# A pasted name, what became of it in a word, the colour that goes with it, and why.
Told = tuple[int, str, str, str, str]


class MemberPages(LedgerAdmin):
    def member_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, View]] = [("join", self.join_view), ("remove", self.remove_view)]
        return [
            path(
                f"<int:session_id>/{name}/",
                self.admin_site.admin_view(self._administered(view)),
                name=f"programs_programsession_{name}",
            )
            for name, view in pages
        ]

    def _administered(self, view: View) -> Callable[..., HttpResponse]:
        """The session of the address, where this user meets it, for who may change it; else it is not there."""

        def answer(request: HttpRequest, session_id: int) -> HttpResponse:
            session = (
                self.get_queryset(request).select_related("organization", "template").filter(pk=session_id).first()
            )
            if session is None:
                raise Http404
            if not self.has_administer_permission(request):
                raise PermissionDenied
            return self._shown(request, lambda: view(request, session), session.pk)

        return answer

    def session_page(self, request: HttpRequest, session: Any, join: forms.Form | None = None) -> dict[str, Any]:
        organization = session.organization
        page = Paginator(selectors.members_of(organization, session), ROWS_PER_PAGE).get_page(request.GET.get("page"))
        progress = selectors.with_progress(organization, session, list(page.object_list))
        tutors = ProgramTutor.objects.of(organization).filter(session=session).select_related("person")
        requirements = ProgramRequirement.objects.of(organization).filter(session=session)
        limit = session.people_it_holds
        return {
            "session": session,
            "session_text": str(session.pk),
            "places": seats_bar(taken=session.people_in_it, limit=limit, what="places"),
            "free": None if limit is None else max(limit - session.people_in_it, 0),
            "page": page,
            "members": [
                (one, share_bar(done=one.done, of=one.courses, what="course modules done")) for one in progress
            ],
            "tutors": tutors.order_by("person__search_name", "pk"),
            "requirements": requirements.select_related("course", "template").order_by("pk"),
            "administers": self.has_administer_permission(request),
            "join_form": join or self.join_form(request, None),
        }

    def join_form(self, request: HttpRequest, data: Mapping[str, Any] | None) -> JoinForm:
        person = ProgramMember._meta.get_field("person")  # noqa: SLF001 - Django's documented name
        form = JoinForm(data)
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
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "media": self.media,
            "back": self._back(row),
            **context,
        }
        return TemplateResponse(request, template, context)

    @staticmethod
    def _back(session: Any) -> str:
        return reverse("admin:programs_programsession_change", args=[session.pk])

    def _log_members(self, request: HttpRequest, ids: list[int], flag: int, message: Any) -> None:
        user = staff_user(request)
        assert user is not None  # noqa: S101 - whoever wrote these rows
        rows: Any = ProgramMember.objects.filter(pk__in=ids).select_related("person", "session")
        LogEntry.objects.log_actions(user.pk, rows, flag, change_message=message)

    def join_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        """Each name that was given gets an answer."""
        form = self.join_form(request, request.POST if request.method == "POST" else None)
        told: list[Told] = []
        if form.is_valid():
            form, told = self._join(request, session, form)
            session = self.get_queryset(request).select_related("organization", "template").get(pk=session.pk)
        context = self.session_page(request, session, join=form)
        context["media"] = self.media + form.media
        title = f"Add people to {session}"
        return self._answer(request, "admin/programs/join.html", session, title=title, answers=told, **context)

    def _join(self, request: HttpRequest, session: Any, form: JoinForm) -> tuple[JoinForm, list[Told]]:
        """The form to show next, with what was refused left in it to be put right; and the answers."""
        try:
            joined = joining.join_acceptable(
                organization=session.organization,
                actor=actor_of(request),
                session=session,
                numbers=form.wanted,
                as_many_as_fit=form.cleaned_data["fit"],
            )
        except Refusal as refusal:
            form.add_error(None, describe(refusal))
            return form, []
        told = [(line, number, *_told(joined, number)) for line, number in enumerate(form.wanted, start=1)]
        if joined.lack is not None:
            form.add_error(None, f"{describe(joined.lack)} Nobody was added.")
            return form, told
        self._log_members(request, [member.pk for member in joined.members.values()], ADDITION, [{"added": {}}])
        left = [number for number in dict.fromkeys(form.wanted) if number in joined.unknown or number in joined.refused]
        text = f"{_people(len(joined.members))} added" + (f", {len(left)} not added" if left else "") + "."
        self.message_user(request, text, messages.WARNING if left else messages.SUCCESS)
        fresh = self.join_form(request, None)
        fresh.initial = {"numbers": "\n".join(left), "fit": form.cleaned_data["fit"]}
        return fresh, told

    def remove_view(self, request: HttpRequest, session: Any) -> HttpResponse:
        """Asks first, and says what is then no longer owed."""
        ids = [int(pk) for pk in request.POST.getlist("member") if is_id(pk)]
        members = list(selectors.members_of(session.organization, session).filter(pk__in=ids))
        if not members:
            self.message_user(request, "Tick whom to remove. Nobody has been removed.", messages.ERROR)
            return HttpResponseRedirect(self._back(session))
        act: dict[str, Any] = {
            "organization": session.organization,
            "actor": actor_of(request),
            "session": session,
            "person_ids": [member.person_id for member in members],
        }
        try:
            if "apply" in request.POST:
                left = membership.leave(**act)
                self._log_members(request, [member.pk for member in left], CHANGE, "Left.")
                self.message_user(request, f"{_people(len(left))} removed.", messages.SUCCESS)
                return HttpResponseRedirect(self._back(session))
            records = joining.unassigned_by_leaving(**act)
        except Refusal as refusal:
            self.message_user(request, describe(refusal), messages.ERROR)
            return HttpResponseRedirect(self._back(session))
        return self._answer(
            request,
            "admin/enrollments/confirm.html",
            session,
            title=f"Remove {_people(len(members))} from {session}",
            says=_leaving(members, len(records)),
            listed=_sample([f"{record.person}: {record.course}" for record in records]),
            hidden=[("member", member.pk) for member in members],
            button=f"Remove {_people(len(members))}",
        )


def _leaving(members: list[ProgramMember], records: int) -> list[str]:
    who = listed([str(member.person) for member in members[:MOST_LISTED]])
    more = f" and {len(members) - MOST_LISTED} more" if len(members) > MOST_LISTED else ""
    if not records:
        return [f"Removes {who}{more}.", "Nothing is unassigned: what is done, or needed elsewhere, stays."]
    opened = "The train session" if records == 1 else f"{records} train sessions"
    are = "is" if records == 1 else "are"
    return [
        f"Removes {who}{more}.",
        "What is done, or needed elsewhere, stays.",
        f"{opened} that this program opened {are} unassigned:",
    ]


def _sample(texts: list[str]) -> list[str]:
    return texts[:MOST_LISTED] + ([f"and {len(texts) - MOST_LISTED} more"] if len(texts) > MOST_LISTED else [])


def _told(joined: joining.Joined, number: str) -> tuple[str, str, str]:
    if number in joined.members:
        return "Added", "good", ""
    return "Not added", "plain" if number in joined.already else "bad", _why_not(joined, number)


def _why_not(joined: joining.Joined, number: str) -> str:
    if number in joined.already:
        return "Is a member already."
    if number in joined.unknown:
        return "There is no such employee."
    match joined.refused.get(number):
        case PeopleInactive():
            return "The employee is inactive."
        case RequirementsNotMet() as unmet:
            return f"Has not completed {listed(next(iter(unmet.missing.values())))}."
        case SessionFull():
            return "The program session is full."
        case refusal:
            return describe(refusal) if refusal else "There is too little room for all, so nobody was added."


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
