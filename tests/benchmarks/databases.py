"""A database of its own on a PostgreSQL server, gone when the benchmark is over."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

SERVER = os.environ.get("BENCHMARK_SERVER", "postgresql://postgres@127.0.0.1:5432/postgres")


@contextmanager
def scratch_database(template: str = "") -> Iterator[str]:
    """The address of an empty database, or of a copy of the one at `template`, to which nobody is connected."""
    name = f"ledger_benchmark_{secrets.token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {_name(template) or 'template1'}")
        # What our own connections ask of the planner (config/settings.py) the peers have, too.
        server.execute(f"ALTER DATABASE {name} SET jit = off")
        server.execute(f"ALTER DATABASE {name} SET random_page_cost = 1.1")
        try:
            yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _name(url: str) -> str:
    return urlsplit(url).path.strip("/")
