"""What a family's list is made of, declared once: the rows, the columns of its objects, their order, the filters.

From the declaration come the query, the objects, the OpenAPI schema and the pages: a page is one chunk, a complete
list is many. Values go from the database to the wire column by column, without model instances or field objects: an
object is a msgspec Struct, which is made and written as JSON in a third of the time that a dictionary takes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec
from django.db import models
from django.db.models import F, OrderBy, QuerySet, Value
from rest_framework import serializers

from accounts.api.filters import Conditions, StrictFilterSet, padded
from accounts.days import day_of
from accounts.expressions import DayOf, knows_zone
from accounts.models import Organization
from accounts.statements import ORGANIZATION, Part, Row, Slot, Statement

Model = TypeVar("Model", bound=models.Model)
Object = Any  # A struct of the resource's own making.
Columns = Iterator[Sequence[Any]]
Arrange = Callable[["QuerySet[Any]"], "QuerySet[Any]"]
"""Narrows or orders a query. Equal arrangements share a statement, so one is a function of a module, or frozen data."""


class Column:
    """One key: its field in the schema, the columns that it is made of, and how (`show`, of their values in one row).
    Where the field is not required, the key is absent instead of null.
    """

    def __init__(
        self, field: "serializers.Field[Any, Any, Any, Any]", *sources: Part, show: Callable[..., Any] | None = None
    ) -> None:
        self.field, self.sources, self.show = field, sources, show

    def objects(self, columns: Columns, _organization: int) -> Sequence[Any]:
        taken = list(islice(columns, len(self.sources)))
        values = taken[0] if self.show is None else list(map(self.show, *taken))
        return values if self.field.required else [msgspec.UNSET if value is None else value for value in values]


def day_column(field: "serializers.Field[Any, Any, Any, Any]", source: str, zone: tzinfo | None) -> Column:
    """The day of an instant in a zone: found by the database where it knows the zone as we do, else by us."""
    if zone is None:
        return Column(field, source)
    if knows_zone(str(zone)):
        return Column(field, DayOf(source, zone))
    return Column(field, source, show=lambda at: None if at is None else day_of(at, zone))


class Nested:
    """An object inside. Null where its key `unless` is: a row that points to none."""

    def __init__(self, name: str, shape: "Shape", *, unless: str | None = None) -> None:
        self.name, self.shape, self.unless = name, shape, unless
        # Nothing in it can point back at it, so the garbage collector need not look.
        self.struct = msgspec.defstruct(name, list(shape), gc=False)

    @property
    def sources(self) -> list[Part]:
        return [source for part in self.shape.values() for source in part.sources]

    @property
    def field(self) -> "serializers.Field[Any, Any, Any, Any]":
        return self.serializer()(allow_null=self.unless is not None)

    def serializer(self) -> type[serializers.Serializer[Any]]:
        """The declaration for the schema: one class for each name."""
        key = (self.name, *self.shape)
        if key not in _serializers:
            # Copied in order: the order of a serializer's fields is that of their making.
            fields = {key: deepcopy(part.field) for key, part in self.shape.items()}
            _serializers[key] = type(f"{self.name}Serializer", (serializers.Serializer,), fields)
        return _serializers[key]

    def objects(self, columns: Columns, organization: int) -> Sequence[Any]:
        objects = list(map(self.struct, *(part.objects(columns, organization) for part in self.shape.values())))
        if self.unless is None:
            return objects
        return [None if getattr(one, self.unless) is None else one for one in objects]


class Many:
    """A list inside: of other rows, those whose foreign key `to` has this row's `source`, in their query's order, each
    as `of` shows it. Read for a whole chunk by one more statement.
    """

    def __init__(
        self, rows: Callable[[Slot], "QuerySet[Any]"], to: str, of: "Column | Nested", *, source: str = "pk"
    ) -> None:
        self.rows, self.to, self.of, self.sources = rows, to, of, [source]
        self.statement = lru_cache(maxsize=16)(self._statement)

    @property
    def field(self) -> "serializers.Field[Any, Any, Any, Any]":
        return serializers.ListSerializer(child=self.of.field)

    def _statement(self, count: int) -> Statement:
        """Of so many values."""
        slots = [Slot(f"value {number}", models.BigIntegerField()) for number in range(count)]
        return Statement(self.rows(ORGANIZATION).filter(**{f"{self.to}__pk__in": slots}), self.to, *self.of.sources)

    def objects(self, columns: Columns, organization: int) -> Sequence[Any]:
        sources = next(columns)
        wanted = padded(sorted(set(sources)))
        values = {f"value {number}": value for number, value in enumerate(wanted)}
        found = self.statement(len(wanted)).run({**values, ORGANIZATION.name: organization, "limit": ALL, "offset": 0})
        lists: dict[Any, list[Any]] = {source: [] for source in sources}
        if found:
            belong, *others = zip(*found, strict=True)
            for source, item in zip(belong, self.of.objects(iter(others), organization), strict=True):
                lists[source].append(item)
        return [lists[source] for source in sources]


ALL = 2**62  # Rows: no limit, on both databases.
Shape = Mapping[str, Column | Nested | Many]
_serializers: dict[tuple[str, ...], type[serializers.Serializer[Any]]] = {}


@dataclass(frozen=True)
class Behind:
    """The rows behind the one whose key is the slot `after`, or all, in the key's order or against it."""

    key: str
    column: "models.Field[Any, Any]" = field(compare=False)
    descending: bool
    begins: bool = False

    def __call__(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        if not self.begins:
            rows = rows.filter(**{f"{self.key}__{'lt' if self.descending else 'gt'}": Slot("after", self.column)})
        return rows.order_by(f"-{self.key}" if self.descending else self.key)


@dataclass(frozen=True)
class Gathered:
    """All the rows, and then in the key's order or against it: not found by walking along the key, which is quick to a
    page of what there is plenty of, and slow to what there is little of.
    """

    key: str
    descending: bool

    def __call__(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        # A sum is in no index.
        order = OrderBy(F(self.key) + Value(0), descending=self.descending)
        return rows.order_by(order)


@dataclass(frozen=True)
class Among:
    """The rows whose key is one of so many."""

    key: str
    column: "models.Field[Any, Any]" = field(compare=False)
    count: int

    def __call__(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        slots = [Slot(f"key {number}", self.column) for number in range(self.count)]
        return rows.filter(**{f"{self.key}__in": slots}).order_by()


@dataclass(frozen=True)
class Reversed:
    arrange: Arrange

    def __call__(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        return self.arrange(rows).reverse()


@dataclass(frozen=True, eq=False)
class Resource(Generic[Model]):
    name: str
    """Of its objects, in the OpenAPI document."""
    rows: Callable[[Slot], "QuerySet[Model]"]
    shape: Callable[[tzinfo | None], Shape]
    """Days are days of a time zone. None: as the schema declares it, which asks no database."""
    filters: type[StrictFilterSet[Model]] = StrictFilterSet
    key: str = "pk"
    """Unique among an organization's rows. Lists are in its order."""
    descending: bool = False
    column: "models.Field[Any, Any]" = field(default_factory=models.BigIntegerField)
    """What the key holds."""

    @cached_property
    def serializer(self) -> type[serializers.Serializer[Any]]:
        """The objects' declaration, for the schema."""
        return Nested(self.name, self.shape(None)).serializer()

    def of(self, organization: Organization, conditions: Conditions | None = None) -> "Selection":
        return Selection(self, organization, conditions or Conditions())

    def behind(self, *, begins: bool = False, against: bool = False) -> Behind:
        return Behind(self.key, self.column, self.descending != against, begins)


class Layout:
    """A resource's columns as a statement reads them, each once, the key first; and where in them are the objects'."""

    def __init__(self, resource: Resource[Any], zone: tzinfo) -> None:
        self.objects = Nested(resource.name, resource.shape(zone))
        self.columns: list[Part] = [resource.key]
        self.places = [self._place(source) for source in self.objects.sources]

    def _place(self, source: Part) -> int:
        for place, column in enumerate(self.columns):
            # Expressions are compared as objects: what is equal by Django's rules may have another zone.
            if source is column or (isinstance(source, str) and source == column):
                return place
        self.columns.append(source)
        return len(self.columns) - 1


@lru_cache(maxsize=500)
def _layout(resource: Resource[Any], zone: tzinfo) -> Layout:
    return Layout(resource, zone)


@lru_cache(maxsize=256)
def _statement(
    resource: Resource[Any], kinds: tuple[Any, ...], arrange: Arrange, zone: tzinfo | None, *, counts: bool = False
) -> Statement:
    """Keys and columns; without a zone, keys alone."""
    rows = arrange(resource.filters.narrowed(resource.rows(ORGANIZATION), kinds))
    if counts:
        return Statement(rows)
    columns = [resource.key] if zone is None else _layout(resource, zone).columns
    return Statement(rows, *columns)


FEW = 20_000
"""Rows that meet conditions: so many at most are gathered for a page of them."""


def as_it_is(rows: "QuerySet[Any]") -> "QuerySet[Any]":
    return rows


@dataclass(frozen=True)
class Chunk:
    objects: Sequence[Object]
    keys: Sequence[Any]


class Selection:
    """An organization's rows that meet conditions."""

    def __init__(self, resource: Resource[Any], organization: Organization, conditions: Conditions) -> None:
        self.resource, self.conditions = resource, conditions
        self.zone = organization.zone
        self.values = {**conditions.values, ORGANIZATION.name: organization.pk}

    def count(self) -> int:
        ((count,),) = _statement(self.resource, self.conditions.kinds, as_it_is, None, counts=True).run(self.values)
        return int(count)

    def chunk(self, after: Any, limit: int) -> Chunk:
        """The rows behind the one whose key is `after` (None: from the first on)."""
        return self._shown(self._begun(self.resource.behind(begins=after is None), limit=limit, after=after)())

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All the rows, in short queries of so many. The database reads a chunk while the one before is made into
        objects, written and sent: none is begun before the rows of the last have all been read, so that a client who
        reads slowly leaves no query open.
        """
        behind, beginning = self.resource.behind(), self.resource.behind(begins=True)
        rows = self._begun(beginning, limit=size)()
        with ThreadPoolExecutor(1) as ahead:  # Its thread is started where there is a second chunk.
            while rows:
                is_last = len(rows) < size
                following = None if is_last else ahead.submit(self._begun(behind, limit=size, after=rows[-1][0]))
                yield self._shown(rows)
                rows = following.result() if following else []

    def arranged(self, arrange: Arrange, *, limit: int, offset: int = 0, **values: Any) -> Chunk:
        """Rows in an order of their own. `values` are of the arrangement's slots."""
        return self._shown(self._begun(arrange, limit=limit, offset=offset, **values)())

    def _begun(self, arrange: Arrange, *, limit: int, offset: int = 0, **values: Any) -> Callable[[], list[Row]]:
        statement = _statement(self.resource, self.conditions.kinds, arrange, self.zone)
        return statement.begun({**self.values, **values, "limit": limit, "offset": offset})

    def page(self, *, offset: int, limit: int, arrange: Arrange | None = None) -> tuple[Chunk, int]:
        """A page, and how many rows there are: exact. Walked to from the nearer end; by keys alone, in their order."""
        total = self.count()
        if offset >= total:
            return Chunk((), ()), total
        if arrange is None and self.conditions.kinds and total <= FEW:
            arrange = Gathered(self.resource.key, self.resource.descending)
        if offset == 0:
            return (self.chunk(None, limit) if arrange is None else self.arranged(arrange, limit=limit)), total
        from_end = offset > total // 2
        if arrange is None:
            behind = self.resource.behind(begins=True, against=from_end)
            keys = _statement(self.resource, self.conditions.kinds, behind, None)
            before = keys.run({**self.values, "limit": 1, "offset": total - offset if from_end else offset - 1})
            return (self.chunk(before[0][0], limit) if before else Chunk((), ())), total
        if not from_end:
            return self.arranged(arrange, limit=limit, offset=offset), total
        size = min(limit, total - offset)
        found = self.arranged(Reversed(arrange), limit=size, offset=total - offset - size)
        return Chunk(found.objects[::-1], found.keys[::-1]), total

    def among(self, keys: Sequence[Any]) -> list[Object]:
        """The objects of those keys that there are, in the keys' order."""
        if not keys:
            return []
        wanted = padded(keys)
        arrange = Among(self.resource.key, self.resource.column, len(wanted))
        found = self.arranged(arrange, limit=len(keys), **{f"key {number}": key for number, key in enumerate(wanted)})
        objects = dict(zip(found.keys, found.objects, strict=True))
        return [objects[key] for key in keys if key in objects]

    def _shown(self, rows: Sequence[Row]) -> Chunk:
        if not rows:
            return Chunk((), ())
        columns = list(zip(*rows, strict=False))
        layout = _layout(self.resource, self.zone)
        shown = iter([columns[place] for place in layout.places])
        return Chunk(layout.objects.objects(shown, self.values[ORGANIZATION.name]), columns[0])
