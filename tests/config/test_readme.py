"""What the README shows of the bulk commands is what they do on the demo organization, word for word."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.concurrency.databases import ROOT

PYTHON = ".venv/bin/python manage.py "
FEWEST_STEPS = 10


@dataclass
class Step:
    """A line after `$`, and what the README shows below it."""

    command: str
    shown: list[str] = field(default_factory=list)


def steps() -> list[Step]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Bulk operations\n")[2].partition("\n## ")[0]
    found: list[Step] = []
    for line in section.splitlines():
        if line.startswith("    $ "):
            found.append(Step(line.removeprefix("    $ ")))
        elif line.startswith("    "):
            found[-1].shown.append(line.removeprefix("    "))
    return found


def test_the_bulk_commands_do_what_the_readme_shows(tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": f"sqlite:///{tmp_path / 'demo'}"}

    def manage(*arguments: str) -> list[str]:
        """Standard output and error, as a terminal shows them."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.splitlines()

    manage("quickstart", "--no-serve")
    taken = steps()
    assert len(taken) >= FEWEST_STEPS
    for step in taken:
        if step.command.startswith("cat "):
            file = tmp_path / step.command.removeprefix("cat ")
            if not file.exists():
                file.write_text("".join(f"{line}\n" for line in step.shown), encoding="utf-8")
            assert file.read_text(encoding="utf-8").splitlines() == step.shown, step.command
        else:
            assert step.command.startswith(PYTHON)
            assert manage(*shlex.split(step.command.removeprefix(PYTHON))) == step.shown, step.command
