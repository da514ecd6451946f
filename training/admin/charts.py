"""Charts as data: what the dashboard's templates draw, each bar a link to the rows that it counts."""

from dataclasses import dataclass, field


def number(count: int) -> str:
    return f"{count:,}"


def counted(count: int, one: str, several: str) -> str:
    return f"{number(count)} {one if count == 1 else several}"


def share(count: int, whole: int) -> str:
    """Percent, as CSS reads it."""
    return f"{min(100 * count / whole, 100):.2f}" if whole else "0"


@dataclass(frozen=True)
class Bar:
    label: str
    name: str  # What it says without being seen.
    count: int
    href: str
    share: str
    text: str = ""  # Beside the bar.
    tick: str = ""  # Under the column, where there is room for some only.
    tone: str = ""

    @property
    def shown(self) -> str:
        return self.text or number(self.count)


@dataclass(frozen=True)
class Stack:
    """A bar of several parts, and how many there are of all of them together."""

    label: str
    title: str
    parts: list[Bar]
    text: str

    @property
    def total(self) -> str:
        return number(sum(part.count for part in self.parts))


@dataclass(frozen=True)
class Link:
    text: str
    href: str
    count: int | None = None


@dataclass(frozen=True)
class Chart:
    id: str
    title: str
    note: str
    empty: str  # Said in place of bars where there is nothing to count.
    unit: str  # The heading of the table's numbers.
    rows: str  # The heading of the table's rows.
    bars: list[Bar] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)
    more: Link | None = None
    columns: bool = False  # Upright, along an axis of time.
    wide: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.stacks and not any(bar.count or bar.text for bar in self.bars)

    @property
    def legend(self) -> list[Bar]:
        return self.stacks[0].parts if self.stacks else []


@dataclass(frozen=True)
class Figure:
    title: str
    text: str
    count: int
    href: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Task:
    """Something to do: how many, of what, and where. `icon` is a symbol of the theme's icon font."""

    count: int
    text: str
    note: str
    href: str
    icon: str
    tone: str = ""

    @property
    def shown(self) -> str:
        return number(self.count)


@dataclass(frozen=True)
class Step:
    title: str
    text: str
    done: bool
    links: list[Link]
