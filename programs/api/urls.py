from accounts.api.routes import route
from programs.api.views import OldProgramsViewSet, SessionViewSet, TemplateViewSet

PREFIX = "api/v1/programs"
ONE = r"(?P<hex_id>[^/]+)"
USER = r"(?P<user>[\s\S]+?)"  # A mail may have a slash in it.

urlpatterns = [
    route(PREFIX, OldProgramsViewSet, "programs", get="list"),
    route(f"{PREFIX}/sessions", SessionViewSet, "program-sessions", get="list"),
    route(f"{PREFIX}/sessions/{ONE}", SessionViewSet, "program-session", get="retrieve"),
    route(f"{PREFIX}/sessions/{ONE}/users", SessionViewSet, "program-session-users", get="users"),
    route(
        f"{PREFIX}/sessions/{ONE}/users/{USER}",
        SessionViewSet,
        "program-session-user",
        put="add_user",
        delete="remove_user",
    ),
    route(f"{PREFIX}/sessions/{ONE}/stats", SessionViewSet, "program-session-stats", get="stats"),
    route(f"{PREFIX}/templates", TemplateViewSet, "program-templates", get="list"),
    route(f"{PREFIX}/templates/{ONE}", TemplateViewSet, "program-template", get="retrieve"),
]
