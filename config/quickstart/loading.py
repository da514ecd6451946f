"""Taking an organization's rows over, whole or not at all."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django.db import models

from accounts.actors import Actor
from accounts.models import Organization
from accounts.services.people import create_organization
from accounts.services.taking_over import take_over
from accounts.transactions import write

# Rows by table, each of one model, what is pointed to before what points to it.
Tables = Sequence[Sequence[models.Model]]
# Of a number of rows: something to be told how many more are in.
Bar = Callable[[int], AbstractContextManager[Callable[[int], object]]]


@dataclass(frozen=True)
class Source:
    """An organization to load. `company_id` is how a later run knows it again, whatever staff have renamed."""

    name: str
    slug: str
    company_id: str
    time_zone: str
    build: Callable[[Organization], Tables]


def loaded(source: Source) -> Organization | None:
    return Organization.objects.filter(company_id=source.company_id).first()


def load(source: Source, bar: Bar) -> Organization:
    """One transaction, so that a run that is interrupted leaves nothing half loaded.

    Raises FieldsRefused where another organization has the slug, IntegrityError where other rows have the ids.
    """
    with write(Actor.system()):
        organization = create_organization(
            actor=Actor.system(),
            name=source.name,
            slug=source.slug,
            company_id=source.company_id,
            time_zone=source.time_zone,
        )
        tables = source.build(organization)
        with bar(sum(len(rows) for rows in tables)) as progress:
            for rows in tables:
                take_over(type(rows[0]), rows, progress=progress)
    return organization
