from django.db import models


class Scope(models.TextChoices):
    """What an API token may do, by family."""

    TRAIN_SESSIONS_READ = "train_sessions:read"
    TRAIN_SESSIONS_WRITE = "train_sessions:write"
    TRAINING_ASSIGNMENTS_READ = "training_assignments:read"
    TRAINING_ASSIGNMENTS_WRITE = "training_assignments:write"
    TRAINING_COURSES_READ = "training_courses:read"
    PROGRAMS_READ = "programs:read"
    PROGRAMS_WRITE = "programs:write"
    TRAINING_READ = "training:read"
    TRAINING_WRITE = "training:write"
