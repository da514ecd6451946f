"""No address of the admin fails at what somebody types behind it: whatever is asked, the answer is one of ours."""

import json
import os
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client, RequestFactory

from accounts.models import User
from tests.accounts.admin_pages import MODELS
from tests.accounts.test_access import Scene, addresses, name_of, scene, targets
from tests.conftest import body_of

__all__ = ["scene"]  # The same rows of two organizations as there.

# The framework warns of days that are sent where it sends instants; it goes on with them.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")]

Tell = Callable[[int], None]
WHOLE = bool(os.environ.get("HOSTILE_WHOLE"))  # `python -m tests.proof --only hostile`
ANSWERS = {200, 302, 400, 403, 404, 405}
HUGE = "9" * 20
# What is no value of any kind of column, and what is one that no database or calendar goes on from.
VALUES = ("x", HUGE, "0001-01-01", "9999-12-31", "1" * 5_000)
# What pages read, each by what makes it: the framework, the framework's lists, and our own code.
OF_MADE = ("p", "organization", "_to_field", "_changelist_filters")
OF_EVERY_LIST = (*OF_MADE, "page", "o", "q", "e", "all", "_popup", "_facets")
OF_OURS = (
    "p", "page", "q", "s", "ids", "organization", "program", "course", "group", "next", "year", "day", "due", "format",
    "action", "_to_field",
)  # fmt: skip
OF_LISTS = (
    "p=0", "p=-1", "q=%00", "o=1.-1.99", "o=-" + HUGE, "q=1&p=2", "q=%22", "q='", "q=%F0%9F%92%A9", "q=%ff", "&&&=&==", "_to_field=",
    "pk=1", "pk__in=x", "id__exact=" + HUGE, "id__in=1,x", "id__range=1", "id__isnull=x", "id__regex=(", "pk__gt=x",
    "nothing=1", "__=1", "organization__id__exact=x", "organization__id__exact=" + HUGE, "organization__nothing=1",
    "password=x", "created_at__year=x", "created_at__date=x", "created_at__year=" + HUGE, "created_at__regex=(",
    "created_at__gte=0001-01-01T00:00:00", "_popup=1&_to_field=x",
)  # fmt: skip
OF_SEARCH = (
    "s=a&page=x",
    "s=a&page=0",
    "s=a&page=99",
    f"s=a&page={HUGE}",
    "s=a&extended=1&page=x",
    "page=x",
    "s=%00&page=1",
)
# Pages of every model, made by the framework.
MADE = ("_add", "_change", "_delete", "_history")
ROW = re.compile(r"/\d+/")


def typed(name: str, user: User) -> Iterator[str]:
    """What is asked of an address: of a list each of its filters, too, with what is no value of it."""
    model = {f"{name_of(model)}_changelist": model for model in MODELS}.get(name)
    if name == "search":
        yield from OF_SEARCH
    if model is None:
        names = OF_MADE if name.endswith(MADE) else OF_OURS
        yield from (urlencode({one: value}) for one in names for value in ("x", HUGE, "9999-12-31"))
        return
    yield from OF_LISTS
    yield from (urlencode({one: value}) for one in OF_EVERY_LIST for value in ("", "x", HUGE))
    request = RequestFactory().get("/admin/")
    request.user = user
    specs = admin.site.get_model_admin(model).get_changelist_instance(request).filter_specs
    for one in dict.fromkeys(str(one) for spec in specs for one in spec.expected_parameters()):
        yield from (urlencode({one: value}) for value in VALUES)


def failing(client: Client, asked: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in asked:
        with transaction.atomic():
            try:
                response = client.get(one)
                body_of(response)
                status: object = response.status_code
            except Exception as error:  # noqa: BLE001 - whatever it is, it is found
                status = repr(error)
            transaction.set_rollback(True)
        if status not in ANSWERS:
            found[one[:200]] = status
    return found


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Iterator[Tell]:
    """How many were asked, for whoever reads the report of the run."""
    asked: list[int] = []
    yield asked.append
    record_property("cells", json.dumps({"asked": sum(asked)}))


@pytest.mark.parametrize(("who", "first"), [("superuser", 0), ("administrator", 1)])
def test_no_address_fails_at_its_query(scene: Scene, who: str, first: int, tell: Tell) -> None:
    """Each asks every address, and every filter of a list: a quarter of the questions. All of them take minutes."""
    asked = []
    for name, route in sorted(addresses().items()):
        own, *_ = targets(scene, name, route)
        joint = "&" if "?" in own else "?"
        asked += [f"{own}{joint}{query}" for query in typed(name, scene.users[who])]
    assert len(asked) > 2_000
    asked = asked if WHOLE else asked[first::4]
    assert failing(scene.clients[who], asked) == {}
    tell(len(asked))


def test_no_address_fails_at_the_id_in_it(scene: Scene, tell: Tell) -> None:
    own = [targets(scene, name, route)[0] for name, route in sorted(addresses().items())]
    asked = [
        ROW.sub(f"/{given}/", one, count=1)
        for one in own
        if ROW.search(one)
        for given in ("x", "-1", "0", HUGE, "1" * 5_000, "%00", "1_5F", "%ff")
    ]
    assert len(asked) > 500
    for first, who in enumerate(("superuser", "administrator")):
        asked_of_them = asked if WHOLE else asked[first::2]
        assert (who, failing(scene.clients[who], asked_of_them)) == (who, {})
        tell(len(asked_of_them))


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 200), ("s=a", 200), ("s=a&page=1", 200), ("page=x", 200), ("s=a&page=x", 400), ("s=a&page=0", 400),
     ("s=a&page=2", 400), (f"s=a&page={HUGE}", 400)],
)  # fmt: skip
def test_a_page_of_found_names_that_there_is_not_is_refused(scene: Scene, query: str, status: int) -> None:
    answer = scene.clients["administrator"].get(f"/admin/search/?{query}")
    assert answer.status_code == status
    assert ("The request cannot be read." in answer.content.decode()) is (status == 400)
