"""A process of its own that answers one request, or dies at a given point of it. The tests start and read it.

    python -m tests.concurrency.one_request prepare             makes the rows; prints what a request needs
    python -m tests.concurrency.one_request state               prints what has been written
    python -m tests.concurrency.one_request send POINT          sends the request in standard input; prints the answer

POINT: `never`; `before-commit`, after the service and its idempotency record; `after-commit`, before the answer.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import django


def prepare() -> dict[str, Any]:
    from accounts.services.tokens import create_token  # noqa: PLC0415
    from tests.acts import ACTOR, owed  # noqa: PLC0415 - models can be imported once Django is set up
    from tests.factories import CourseFactory, OrganizationFactory, PersonFactory  # noqa: PLC0415

    organization = OrganizationFactory.create()
    record = owed(CourseFactory.create(organization=organization), PersonFactory.create(organization=organization))
    token, secret = create_token(
        organization=organization, actor=ACTOR, name="tests", scopes=["train_sessions:read", "train_sessions:write"]
    )
    return {"secret": secret, "prefix": token.prefix, "record": record.pk}


def state() -> dict[str, int]:
    from accounts.models import IdempotencyRecord  # noqa: PLC0415 - as above
    from training.models import TrainSession  # noqa: PLC0415

    return {
        "attempts": TrainSession.objects.get().failed_attempts,
        "remembered": IdempotencyRecord.objects.count(),
    }


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    def dying(*args: Any, **given: Any) -> Any:
        function(*args, **given)
        os.kill(os.getpid(), signal.SIGKILL)

    return dying


def send(point: str) -> dict[str, Any]:
    from django.test import Client  # noqa: PLC0415 - as above

    from accounts.api import idempotency  # noqa: PLC0415
    from accounts.api.endpoint import Endpoint  # noqa: PLC0415

    match point:
        case "before-commit":
            idempotency.remember = then_die(idempotency.remember)
        case "after-commit":
            Endpoint._write = then_die(Endpoint._write)  # type: ignore[method-assign]  # noqa: SLF001 - the last step that writes
    request = json.load(sys.stdin)
    start = time.monotonic()
    response = Client().post(
        request["path"], request["body"], content_type="application/json", headers=request["headers"]
    )
    return {
        "status": response.status_code,
        "retry_after": response.headers.get("Retry-After"),
        "body": response.content.decode(),
        "seconds": time.monotonic() - start,
    }


if __name__ == "__main__":
    django.setup()
    command, *arguments = sys.argv[1:]
    commands: dict[str, Callable[..., dict[str, Any]]] = {"prepare": prepare, "state": state, "send": send}
    sys.stdout.write(json.dumps(commands[command](*arguments)))
