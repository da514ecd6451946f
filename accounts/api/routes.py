from django.urls import URLPattern, re_path
from rest_framework.viewsets import ViewSetMixin


def route(pattern: str, viewset: type[ViewSetMixin], name: str, **actions: str) -> URLPattern:
    """A path that answers with and without a trailing slash. `actions` are the viewset's, by HTTP method."""
    return re_path(rf"^{pattern}/?$", viewset.as_view({**actions}), name=name)
