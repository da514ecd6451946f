"""Who is let in, and how lists are paged."""

import hashlib
import hmac
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.paginator import Paginator
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiToken]:
        secret = get_authorization_header(request).decode("ascii").partition(" ")[2]
        try:
            token = ApiToken.objects.select_related("organization").get(prefix=secret[3:11])
        except ApiToken.DoesNotExist as error:
            raise AuthenticationFailed from error
        digest = hashlib.sha256(secret.encode()).hexdigest()
        if not hmac.compare_digest(digest, token.digest) or not token.is_live:
            raise AuthenticationFailed
        return AnonymousUser(), token


class HasToken(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is not None


class Pages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "per_page"
    max_page_size = 1000


class Uncounted(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    count = 10**9


class PagesWhereAskedFor(Pages):
    """Without a COUNT; and the complete list where no page is asked for."""

    page_size = None  # type: ignore[assignment]  # documented; the stubs know numbers only
    django_paginator_class = Uncounted


class Changes(CursorPagination):
    page_size = 200
    ordering = ("updated_at", "id")
