from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class DenyAll(BasePermission):
    """The project's default: a view that forgot its dialect answers nobody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False
