"""For whatever watches the server: is the process alive, and can it do its work?

A part that does not answer is named, never its address; why it fails stands in the log.
"""

import logging
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from limits.storage import Storage, storage_from_string

from accounts import replicas

logger = logging.getLogger(__name__)

REDIS_SECONDS = 2


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is asked, so that a database that is down restarts no server."""
    del request
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    del request
    parts = {"database": _database(), "migrations": "unknown", "redis": _redis()}
    if parts["database"] == "ok":
        parts["migrations"] = _migrations()
    ready = all(state in {"ok", "not configured"} for state in parts.values())
    # Without replicas the primary does their work: what is said of them decides nothing.
    more = {"replicas": _replicas()} if settings.DATABASE_REPLICAS else {}
    status = "ready" if ready else "not ready"
    return JsonResponse({"status": status, **parts, **more}, status=200 if ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("The database does not answer")
        return "unreachable"
    return "ok"


def _replicas() -> list[str]:
    """In the order of DATABASE_REPLICA_URLS."""
    try:
        return list(replicas.states().values())
    except DatabaseError:  # Said of the database.
        return ["unknown"] * len(settings.DATABASE_REPLICAS)


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        unapplied = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        logger.exception("The database does not tell its migrations")
        return "unreachable"
    return f"unapplied: {unapplied}" if unapplied else "ok"


def _redis() -> str:
    if not settings.REDIS_URL:
        return "not configured"
    if not _store(settings.REDIS_URL).check():
        logger.error("Redis does not answer")
        return "unreachable"
    return "ok"


@cache
def _store(url: str) -> Storage:
    """Made as the rate limits make theirs, so that every address they take is understood; its connections are kept."""
    storage = storage_from_string(url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS)
    if not isinstance(storage, Storage):
        raise TypeError("REDIS_URL names an asynchronous storage.")
    return storage
