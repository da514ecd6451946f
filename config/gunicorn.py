"""The production server: `gunicorn -c config/gunicorn.py`, from the directory that holds `manage.py`.

Read by gunicorn as a list of its settings, so that an imported name must not be one of them.
"""

import sys
from typing import TYPE_CHECKING, Any

from config.env import env, positive
from config.settings import LOGGING, REDIS_URL, THREADS

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

wsgi_app = "config.wsgi:application"
bind: str = env.str("BIND", default="127.0.0.1:8000")
workers = positive("WEB_CONCURRENCY", 1)
threads = THREADS

# Threads, because a one-request worker is killed at its timeout in the middle of a slow download.
worker_class = "config.worker.Worker"
timeout = 30  # Seconds without a sign of life of the worker as a whole. A request may take longer.
graceful_timeout = 30  # What requests under way get at a stop.
keepalive = 75  # Longer than the idle time of the usual proxies, which would else send into a closing connection.

limit_request_line = 0  # gunicorn can limit to 8,190 bytes at most, too few for 1,000 ids: see config/worker.py.
limit_request_fields = 100
limit_request_field_size = 8190
# A client must not move its request under another path by a header. A proxy that strips a prefix sets the variable.
forwarder_headers = ""
# The parser that the worker knows how to ask for a refused request.
http_parser = "python"

# A socket in the home directory, on by default, by which the server could be controlled.
control_socket_disable = True

accesslog = None  # Every request is logged once, its secrets left out, by accounts.api.request_log.
# What gunicorn itself writes goes the same way, for it repeats request lines.
logconfig_dict: dict[str, Any] = dict(LOGGING)
logconfig_dict["loggers"] = {**logconfig_dict["loggers"], "gunicorn.error": {"handlers": [], "propagate": True}}

ONE_WORKER = (
    "More than one worker needs REDIS_URL: without it each worker counts its own requests, and no rate limit is exact. "
    "Set REDIS_URL, or use one worker with more THREADS."
)


def on_starting(server: "Arbiter") -> None:
    """The command line may have overruled this file: what counts is what the server is about to do."""
    if server.cfg.workers > 1 and not REDIS_URL:
        sys.exit(f"Error: {ONE_WORKER}")


def nworkers_changed(server: "Arbiter", new_value: int, old_value: int | None) -> None:
    """A running server can be told to add workers (SIGTTIN), or to read its configuration again (SIGHUP)."""
    if old_value is not None and new_value > 1 and not REDIS_URL:
        server.log.error(ONE_WORKER)
        server.num_workers = 1
