"""Which organization a page is about that is no model's own list."""

from django.http import Http404, HttpRequest

from accounts.admin.base import is_id, staff_user
from accounts.models import Organization


def organizations_of(request: HttpRequest) -> list[Organization]:
    """Those that the user may look at, by name."""
    user = staff_user(request)
    if user is None:
        return []
    if user.is_superuser:
        return list(Organization.objects.order_by("name", "pk"))
    return [user.organization] if user.organization else []


def picked(request: HttpRequest, organizations: list[Organization]) -> Organization | None:
    """The one that `?organization=` names, else the first; None where there is none at all. Raises Http404."""
    given = request.GET.get("organization")
    if given is None:
        return organizations[0] if organizations else None
    found = [one for one in organizations if is_id(given) and one.pk == int(given)]
    if not found:
        raise Http404("There is no such organization.")
    return found[0]
