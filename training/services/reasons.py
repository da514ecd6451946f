"""Why something was done to a record: a sentence that is kept with it."""

from django.core.exceptions import ValidationError

from accounts.errors import FieldsRefused
from training.models import TrainSession


def check_reason(reason: str) -> None:
    """Raises FieldsRefused for one that is blank or too long."""
    if not reason.strip():
        raise FieldsRefused({"reason": ["Say why."]})
    try:
        TrainSession._meta.get_field("unassign_reason").run_validators(reason)  # noqa: SLF001 - Django's documented name
    except ValidationError as error:
        raise FieldsRefused({"reason": error.messages}) from error
