"""THE map: every address of the project begins here."""

from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from accounts.api.openapi import document_routes
from config.health import healthz, readyz
from config.pages import landing, search
from enrollments.api.dialect import TrainingDialect
from enrollments.api.urls import urlpatterns as training_routes
from programs.api.dialect import ProgramsDialect
from programs.api.urls import urlpatterns as programs_routes
from training.api.assignments.dialect import AssignmentsDialect
from training.api.assignments.urls import urlpatterns as assignments_routes
from training.api.train_sessions.dialect import TrainSessionsDialect
from training.api.train_sessions.urls import urlpatterns as train_sessions_routes

urlpatterns = [
    path("", landing, name="landing"),
    re_path(r"^healthz/?$", healthz),
    re_path(r"^readyz/?$", readyz),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/search/", admin.site.admin_view(search)),
    path("admin/", admin.site.urls),
    *training_routes,
    *train_sessions_routes,
    *assignments_routes,
    *programs_routes,
    *document_routes(TrainingDialect(), training_routes),
    *document_routes(TrainSessionsDialect(), train_sessions_routes),
    *document_routes(AssignmentsDialect(), assignments_routes),
    *document_routes(ProgramsDialect(), programs_routes),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
