from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tests.benchmarks.stock import views

router = SimpleRouter(trailing_slash=False)
router.register("api/train_sessions", views.TrainSessionViewSet)
router.register("training-assignments/stream", views.AssignmentViewSet, basename="assignment")
router.register("api/v1/programs/sessions", views.ProgramSessionViewSet)
router.register("api/v1/training/courses", views.CourseViewSet)
router.register("api/v1/training/sessions", views.SessionViewSet)
router.register("api/v1/training/enrollments", views.EnrollmentViewSet)
router.register("api/v1/training/employees", views.EmployeeViewSet)

urlpatterns = [path("", include(router.urls))]
