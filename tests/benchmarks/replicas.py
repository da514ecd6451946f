"""Two readers beside one: how many more requests a second standby answers.

A cluster of its own: a primary, and two standbys with a core each, as two machines would have them. What is asked for
is work of the database, the exact number of an organization's records. On a machine of two cores the second standby
shares its own with our server and the clients: there the figure is shown, and not judged.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter

from tests.benchmarks.client import Client
from tests.benchmarks.findings import Bar, Figures, Result, beside
from tests.benchmarks.ledger import MAIN, build
from tests.benchmarks.servers import ALL, ROOT, environment
from tests.config.wire import Server, running
from tests.replicas.cluster import Cluster, replicated

CLIENTS = 8
COUNTED = "/api/train_sessions?per_page=1&page=1"
READERS = Bar(1.5, 1.8)


def measure(folder: Path, *, records: int, short: bool) -> Result:
    rounds, requests = (1, 2 * CLIENTS) if short else (7, 10 * CLIENTS)
    every = sorted(ALL)
    with replicated(2, cores=[[every[0]], [every[-1]]]) as cluster:
        _fill(folder, cluster, records)
        one, two = Figures(), Figures()
        with _serving(folder, cluster, 1) as alone, _serving(folder, cluster, 2) as both:
            turns = [(alone.port, one), (both.port, two)]
            for port, _ in turns:
                _seconds(port, requests)  # Not counted.
            for round_ in range(rounds):
                for port, figures in turns if round_ % 2 else reversed(turns):
                    figures.rounds.append(_seconds(port, requests))
    found = beside("reads by replicas: two", two, "one", one, bar=READERS if len(every) > 2 else None)
    return Result([found], more={"records": records, "cores": len(every)}, name="replicas")


def _fill(folder: Path, cluster: Cluster, records: int) -> None:
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env=environment(folder, cluster.primary.url, 0), check=True)
    build(cluster.primary.url, records)
    cluster.catch_up()


def _serving(folder: Path, cluster: Cluster, readers: int) -> AbstractContextManager[Server]:
    urls = ",".join(standby.url for standby in cluster.standbys[:readers])
    given = environment(folder, cluster.primary.url, 0)
    limits = {name: value for name, value in given.items() if name.startswith("RATE_LIMIT")}
    return running(folder, **limits, DATABASE_URL=cluster.primary.url, DATABASE_REPLICA_URLS=urls, THREADS=str(CLIENTS))


def _seconds(port: int, requests: int) -> float:
    """For each of so many requests, by all clients together."""

    def ask(count: int) -> None:
        with Client(port, MAIN) as client:
            for _ in range(count):
                client.get(COUNTED)

    started = perf_counter()
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(ask, [requests // CLIENTS] * CLIENTS))
    return (perf_counter() - started) / requests
