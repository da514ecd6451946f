"""A database of its own on a PostgreSQL server, gone when the benchmark is over."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psycopg

SERVER = os.environ.get("BENCHMARK_SERVER", "postgresql://postgres@127.0.0.1:5432/postgres")
RUN = "BENCHMARK_RUN"  # The environment's: a word that the names of a run's databases have in common.


@contextmanager
def scratch_database(template: str = "") -> Iterator[str]:
    """The address of an empty database, or of a copy of the one at `template`, to which nobody is connected."""
    name = f"ledger_benchmark_{os.environ.get(RUN, '')}{secrets.token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {_name(template) or 'template1'}")
        # What our own connections ask of the planner (config/settings.py) the peers have, too.
        server.execute(f"ALTER DATABASE {name} SET jit = off")
        server.execute(f"ALTER DATABASE {name} SET random_page_cost = 1.1")
        try:
            yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def dropped_at_the_end() -> Iterator[str]:
    """A run's word, for processes that may be killed before they have dropped what they made: then this does."""
    run = f"{secrets.token_hex(4)}_"
    try:
        yield run
    finally:
        # On a server that cannot be reached there is none: a part that needs it has failed.
        with suppress(psycopg.OperationalError), psycopg.connect(SERVER, autocommit=True) as server:
            named = "SELECT datname FROM pg_database WHERE strpos(datname, %s) > 0"
            for (name,) in server.execute(named, [f"ledger_benchmark_{run}"]).fetchall():
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _name(url: str) -> str:
    return urlsplit(url).path.strip("/")
