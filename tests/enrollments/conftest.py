import pytest

from accounts.models import Organization
from enrollments.models import Course
from tests.enrollments.bulk import Run, runner
from tests.factories import CourseFactory


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(organization, capsys)


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization)
