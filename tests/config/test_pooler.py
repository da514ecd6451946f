import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.wire import ROOT, environment

PLANNER = "-c jit=off -c random_page_cost=1.1"
ASK = """
import json
from config.settings import DATABASES
[settings] = DATABASES.values()
options = settings["OPTIONS"]
print(json.dumps([settings["DISABLE_SERVER_SIDE_CURSORS"], options["prepare_threshold"], options.get("options")]))
"""


def settings_with(folder: Path, **changes: str) -> "subprocess.CompletedProcess[str]":
    changes = {"DATABASE_URL": "postgresql://ledger@db.example/ledger", **changes}
    asked = [sys.executable, "-c", ASK]
    return subprocess.run(
        asked, cwd=ROOT, env=environment(folder, **changes), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [False, 5, PLANNER]),
        ({"DATABASE_POOLER": "none"}, [False, 5, PLANNER]),
        ({"DATABASE_POOLER": "transaction"}, [True, None, None]),
    ],
)
def test_behind_a_pooler_nothing_is_kept_in_a_session(
    tmp_path: Path, changes: dict[str, str], expected: list[object]
) -> None:
    assert json.loads(settings_with(tmp_path, **changes).stdout) == expected


def test_a_pooler_that_is_not_known_stops_the_start(tmp_path: Path) -> None:
    done = settings_with(tmp_path, DATABASE_POOLER="session")
    assert done.returncode == 1
    assert done.stderr.endswith("ImproperlyConfigured: DATABASE_POOLER is 'SESSION'. Give one of NONE, TRANSACTION.\n")
