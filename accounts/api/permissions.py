from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # DRF's own settings import this module while that one is half loaded


class DenyAll(BasePermission):
    """The project's default: a view that forgot its dialect answers nobody."""

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - DRF's signature
        return False
