from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def _plain(value: object) -> str:
    """Text of a kind of its own, such as what a template calls safe, as text."""
    if isinstance(value, str):
        return "".join(value)
    raise NotImplementedError(type(value))


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def to_json(value: object) -> bytes:
    """JSON as every family sends it. Decimals never get here: a serializer decides how a number looks. Instants are
    shown in UTC, with six decimals where there are any, so that one comes back as it was given.
    """
    return _encoder.encode(value)


def number(value: Decimal | None) -> int | float | None:
    """As given: 82 for 82.0000, 82.5 for 82.5000."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
    ) -> bytes:
        return to_json(data)


class IgnoreAccept(BaseContentNegotiation):
    """The families answer JSON whatever `Accept` says, as the documented APIs do."""

    def select_parser(self, _request: Request, _parsers: Iterable[BaseParser]) -> BaseParser | None:
        """None: endpoints read their bodies themselves, with `accounts.api.bodies`."""
        return None

    def select_renderer(
        self, _request: Request, renderers: Iterable[BaseRenderer], _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type
