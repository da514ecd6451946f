import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.config.wire import running
from tests.replicas.cluster import Cluster, binaries, replicated
from tests.replicas.scene import Stage, made

HOURS = "3600"  # Seconds that a replica may be behind: as long as a test likes to hold it back.
OFF = {
    f"RATE_LIMIT_{family}": ""
    for family in ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING")
}

Serve = Callable[..., AbstractContextManager[Stage]]


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replicas")


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    if binaries() is None and not os.environ.get("CI"):
        pytest.skip("No PostgreSQL server is installed: as root, apt-get install postgresql")
    with replicated() as cluster:
        yield cluster


@pytest.fixture(scope="package")
def rows(cluster: Cluster, folder: Path) -> dict[str, Any]:
    return made(folder, cluster)


@pytest.fixture
def standing(cluster: Cluster) -> Iterator[None]:
    """Whatever a test did to the standby is undone."""
    cluster.catch_up()
    yield
    [standby] = cluster.standbys
    standby.start_again()
    standby.resume()
    cluster.catch_up()


@pytest.fixture(scope="package")
def serve(cluster: Cluster, rows: dict[str, Any], folder: Path) -> Serve:
    """A server over the cluster, which has read once: a process that has just begun reads nothing that is older."""

    @contextmanager
    def serving(*arguments: str, **changes: str) -> Iterator[Stage]:
        given = {**cluster.environment(), "DATABASE_REPLICA_MAX_LAG": HOURS, **OFF, **changes}
        with running(folder, *arguments, **given) as server:
            stage = Stage(cluster, server, rows)
            cluster.catch_up()
            stage.percent(stage.reader)
            yield stage

    return serving


@pytest.fixture(scope="package")
def patient(serve: Serve) -> Iterator[Stage]:
    """A server that reads a replica however old it is."""
    with serve() as stage:
        yield stage


@pytest.fixture
def stage(patient: Stage, standing: None) -> Stage:
    return patient
