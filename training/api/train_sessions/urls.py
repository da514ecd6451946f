from accounts.api.routes import route
from training.api.train_sessions.views import TrainSessionViewSet

PREFIX = "api/train_sessions"
ONE = r"(?P<pk>[^/]+)"

urlpatterns = [
    route(PREFIX, TrainSessionViewSet, "train-sessions", get="list"),
    route(f"{PREFIX}/unassign", TrainSessionViewSet, "train-sessions-unassign", post="unassign"),
    route(f"{PREFIX}/{ONE}", TrainSessionViewSet, "train-session", get="retrieve", patch="partial_update"),
    route(f"{PREFIX}/{ONE}/attempts", TrainSessionViewSet, "train-session-attempts", post="attempt"),
]
