"""The API families that are served, each by its dialect. A family's paths stand in `config/urls.py`."""

from accounts.api.dialect import Dialect
from enrollments.api.dialect import TrainingDialect
from programs.api.dialect import ProgramsDialect
from training.api.assignments.dialect import AssignmentsDialect
from training.api.train_sessions.dialect import TrainSessionsDialect

FAMILIES: tuple[Dialect, ...] = (
    TrainingDialect(),
    TrainSessionsDialect(),
    AssignmentsDialect(),
    ProgramsDialect(),
)


def family_of(path: str) -> Dialect | None:
    """The family that a request path belongs to, its query left out."""
    return next((dialect for dialect in FAMILIES if dialect.owns(path)), None)
