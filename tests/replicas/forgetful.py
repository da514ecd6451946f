"""The application without one of the rules by which a replica is chosen: the controls. FORGETS names the rule."""

import os

from accounts import positions, replicas
from config.wsgi import application

__all__ = ["application"]


def _long_ago(caller: int) -> int | None:
    return 0


match os.environ["FORGETS"]:
    case "who wrote":
        positions.written_by = _long_ago
    case "what was waited for":
        replicas.moved_on = lambda: None
