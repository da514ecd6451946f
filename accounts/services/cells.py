"""What the cells of a file say. What they cannot say is left for the model to refuse, in its own words."""

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import models

SEPARATOR = ";"  # Between several values in one cell.
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def flag(text: str) -> bool | str:
    """Yes or no, ignoring case; anything else as it stands, which no boolean field takes."""
    return _FLAGS.get(text.lower(), text)


def listed_in(text: str) -> list[str]:
    """The values of a cell that holds several, each once, in their order."""
    return list(dict.fromkeys(one.strip() for one in text.split(SEPARATOR) if one.strip()))


def wrong_fields(row: models.Model, exclude: Collection[str]) -> dict[str, list[str]]:
    """What the model's fields say against the row, by field. Asks the database nothing if `exclude` has its relations."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        return error.message_dict
    return {}
