"""Where and when: what absolute figures depend on."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.benchmarks.databases import SERVER


def facts() -> dict[str, str]:
    with psycopg.connect(SERVER) as database:
        version = database.info.parameter_status("server_version") or ""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _after(Path("/proc/cpuinfo"), "model name"),
        "cores": str(os.cpu_count()),
        "memory_gb": f"{int(_after(Path('/proc/meminfo'), 'MemTotal').split()[0]) / 1024**2:.0f}",
        "postgresql": version.split()[0],
        "python": platform.python_version(),
    }


def sentence(of: Mapping[str, str]) -> str:
    return (
        f"{of['date']}, {of['processor']}, {of['cores']} cores, {of['memory_gb']} GB, PostgreSQL {of['postgresql']}, "
        f"Python {of['python']}."
    )


def _after(file: Path, name: str) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")
