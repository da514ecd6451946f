"""The sidebar: where it says that one is."""

import pytest

from accounts.models import Organization
from tests.accounts.admin_pages import Pages
from tests.factories import UserFactory


@pytest.mark.parametrize(
    ("address", "marked"),
    [
        ("/admin/", ["Dashboard"]),
        ("/admin/training/requirement/matrix/", ["Compliance matrix"]),
        ("/admin/training/requirement/", ["Requirements"]),
        ("/admin/training/requirement/apply/", ["Requirements"]),
        ("/admin/training/trainsession/add/", ["Train sessions"]),
        ("/admin/enrollments/session/", ["Sessions"]),
        ("/admin/programs/programsession/", ["Program sessions"]),
        ("/admin/password_change/", []),
    ],
)
def test_one_entry_at_most_is_marked(organization: Organization, address: str, marked: list[str]) -> None:
    page = Pages(UserFactory.create(organization=organization)).get(address)
    sections = page.context["sidebar_navigation"]
    assert [str(item["title"]) for section in sections for item in section["items"] if item["active"]] == marked
