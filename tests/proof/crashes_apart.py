"""What Training Ledger does not do, for the controls: the idempotency record in another transaction than its effect.

`gunicorn -c config/gunicorn.py "tests.proof.crashes_apart:application('after')"`. Between the two commits lie a fifth
of a second, so that a run of seconds shows what would take days to happen by chance.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from config import wsgi  # First: it sets Django up.

from accounts.api import idempotency  # isort: skip
from accounts.api.endpoint import Endpoint  # isort: skip
from accounts.transactions import write  # isort: skip

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from django.http import HttpResponseBase

BETWEEN = 0.2  # Seconds.


def application(order: str) -> "WSGIApplication":
    """`order` of the record's commit: `before` or `after` the effect's."""
    Endpoint._write = {"before": _record_first, "after": _effect_first}[order]  # type: ignore[method-assign]  # noqa: SLF001 - the step that is broken on purpose
    return wsgi.application


def _effect_first(self: Endpoint, handler: Callable[..., Any], *args: Any, **kwargs: Any) -> "HttpResponseBase":
    key = self.idempotency_key
    with write(self.actor):
        if key and (answer := idempotency.first_answer(self.token, key, self.http)):
            return answer
        response: HttpResponseBase = handler(self.request, *args, **kwargs)
    time.sleep(BETWEEN)
    if key:
        with write(self.actor):
            idempotency.remember(self.token, key, self.http, response)  # type: ignore[arg-type]
    return response


def _record_first(self: Endpoint, handler: Callable[..., Any], *args: Any, **kwargs: Any) -> "HttpResponseBase":
    key = self.idempotency_key
    with write(self.actor):
        if key and (answer := idempotency.first_answer(self.token, key, self.http)):
            return answer
        response: HttpResponseBase = handler(self.request, *args, **kwargs)
        if key:
            # A thread has a connection of its own.
            remembering = threading.Thread(target=_remember, args=(self, key, response))
            remembering.start()
            remembering.join()
        time.sleep(BETWEEN)
    return response


def _remember(endpoint: Endpoint, key: str, response: Any) -> None:
    from django.db import connection  # noqa: PLC0415 - once Django is set up

    try:
        with write(endpoint.actor):
            idempotency.remember(endpoint.token, key, endpoint.http, response)
    finally:
        connection.close()
