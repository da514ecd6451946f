from datetime import datetime, time, timedelta
from typing import Any

import django_filters
from django.db.models import Count, Prefetch, Q, QuerySet
from rest_framework.viewsets import ModelViewSet

from accounts.models import Person
from enrollments.models import Course, Enrollment, Session
from programs.models import ProgramMember, ProgramSession
from tests.benchmarks.stock import serializers
from tests.benchmarks.stock.policy import Changes, PagesWhereAskedFor
from training.models import State, TrainSession


class OfOrganization(ModelViewSet[Any]):
    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(organization=self.request.auth.organization)  # type: ignore[union-attr]


class TrainSessionFilter(django_filters.FilterSet):  # type: ignore[misc]  # published without type information
    status_eq = django_filters.ChoiceFilter(
        field_name="state", choices=[(state.label, state.label) for state in State], method="with_status"
    )
    complete_by_eq = django_filters.DateFilter(method="due_on")

    class Meta:
        model = TrainSession
        fields: list[str] = []

    def with_status(self, rows: QuerySet[TrainSession], _name: str, value: str) -> QuerySet[TrainSession]:
        return rows.filter(state=next(state.value for state in State if state.label == value))

    def due_on(self, rows: QuerySet[TrainSession], _name: str, value: Any) -> QuerySet[TrainSession]:
        start = datetime.combine(value, time.min, tzinfo=self.request.auth.organization.zone)
        return rows.filter(due_at__gte=start, due_at__lt=start + timedelta(days=1))


class TrainSessionViewSet(OfOrganization):
    queryset = TrainSession.objects.filter(unassigned_at=None).select_related("course", "person").order_by("-id")
    serializer_class = serializers.TrainSessionSerializer
    pagination_class = PagesWhereAskedFor
    filterset_class = TrainSessionFilter


class AssignmentFilter(django_filters.FilterSet):  # type: ignore[misc]  # as above
    startTime = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")  # noqa: N815

    class Meta:
        model = TrainSession
        fields: list[str] = []


class AssignmentViewSet(OfOrganization):
    queryset = TrainSession.objects.select_related("course", "person")
    serializer_class = serializers.AssignmentSerializer
    pagination_class = Changes
    filterset_class = AssignmentFilter


class CourseViewSet(OfOrganization):
    queryset = (
        Course.objects.select_related("category")
        .annotate(
            total_sessions=Count("sessions", distinct=True),
            total_enrollments=Count(
                "sessions__enrollments", filter=~Q(sessions__enrollments__status="cancelled"), distinct=True
            ),
        )
        .order_by("id")
    )
    serializer_class = serializers.CourseSerializer


class SessionViewSet(OfOrganization):
    queryset = (
        Session.objects.select_related("course", "facilitator")
        .annotate(enrolled_count=Count("enrollments", filter=~Q(enrollments__status="cancelled")))
        .order_by("id")
    )
    serializer_class = serializers.SessionSerializer


class EnrollmentViewSet(OfOrganization):
    queryset = Enrollment.objects.select_related("person", "session__course").order_by("id")
    serializer_class = serializers.EnrollmentSerializer


class EmployeeViewSet(OfOrganization):
    queryset = Person.objects.order_by("id")
    serializer_class = serializers.EmployeeSerializer


class ProgramSessionViewSet(OfOrganization):
    current = ProgramMember.objects.filter(left_at=None).select_related("person")
    queryset = (
        ProgramSession.objects.select_related("template")
        .prefetch_related(
            "template__modules",
            "tutors__person",
            "requirements__course",
            "requirements__template",
            Prefetch("members", queryset=current, to_attr="current_members"),
        )
        .order_by("hex_id")
    )
    serializer_class = serializers.ProgramSessionSerializer
    pagination_class = None
