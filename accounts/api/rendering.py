from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def to_json(value: object) -> bytes:
    """JSON as every family sends it. Decimals never get here: a serializer decides how a number looks."""
    return orjson.dumps(value)


def number(value: Decimal | None) -> int | float | None:
    """As given: 82 for 82.0000, 82.5 for 82.5000."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


class OrjsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return to_json(data)


class IgnoreAccept(BaseContentNegotiation):
    """The families answer JSON whatever `Accept` says, as the documented APIs do."""

    def select_parser(self, request: Request, parsers: Sequence[Any]) -> Any:
        raise NotImplementedError("Endpoints read their bodies themselves: see accounts.api.bodies.")

    def select_renderer(
        self, request: Request, renderers: Sequence[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type
