from accounts.api.routes import route
from enrollments.api.views import CourseViewSet, EmployeeViewSet, EnrollmentViewSet, SessionViewSet

PREFIX = "api/v1/training"
ONE = r"(?P<pk>[^/]+)"

urlpatterns = [
    route(f"{PREFIX}/courses", CourseViewSet, "training-courses", get="list", post="create"),
    route(f"{PREFIX}/courses/{ONE}", CourseViewSet, "training-course", get="retrieve", patch="partial_update"),
    route(f"{PREFIX}/sessions", SessionViewSet, "training-sessions", get="list", post="create"),
    route(f"{PREFIX}/sessions/{ONE}", SessionViewSet, "training-session", get="retrieve", patch="partial_update"),
    route(f"{PREFIX}/enrollments", EnrollmentViewSet, "training-enrollments", get="list", post="create"),
    route(f"{PREFIX}/enrollments/{ONE}", EnrollmentViewSet, "training-enrollment", get="retrieve"),
    route(f"{PREFIX}/enrollments/{ONE}/complete", EnrollmentViewSet, "training-enrollment-complete", patch="complete"),
    route(f"{PREFIX}/enrollments/{ONE}/cancel", EnrollmentViewSet, "training-enrollment-cancel", patch="cancel"),
    route(f"{PREFIX}/employees", EmployeeViewSet, "training-employees", get="list", post="create"),
    route(f"{PREFIX}/employees/{ONE}", EmployeeViewSet, "training-employee", get="retrieve", patch="partial_update"),
]
