from accounts.api.routes import route
from training.api.assignments.views import AssignmentViewSet, FeedViewSet, TrainingCourseViewSet

urlpatterns = [
    route(
        "training-assignments",
        AssignmentViewSet,
        "training-assignments",
        post="create",
        patch="partial_update",
        delete="destroy",
    ),
    route("training-assignments/stream", FeedViewSet, "training-assignments-stream", get="stream"),
    route("training-courses", TrainingCourseViewSet, "training-assignments-courses", get="list"),
]
