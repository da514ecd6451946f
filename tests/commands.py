"""A management command as a shell sees it."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


@dataclass(frozen=True)
class Outcome:
    """`error` is the one line on standard error with which a command fails."""

    status: int
    out: str
    error: str


def outcome(capsys: pytest.CaptureFixture[str], command: str, *arguments: str, **options: Any) -> Outcome:
    status, error = 0, ""
    try:
        call_command(command, *arguments, **options)
    except CommandError as raised:
        status, error = raised.returncode, str(raised)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else -1
    return Outcome(status, capsys.readouterr().out, error)
