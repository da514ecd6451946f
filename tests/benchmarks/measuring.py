"""Figures that mean something on a busy machine: ours and a peer's in turns, medians, and how far they spread."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter


@dataclass
class Rate:
    """Rows a second, one figure for each round."""

    figures: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart, as a share of the median."""
        return (max(self.figures) - min(self.figures)) / self.median

    def measure(self, rows: int, work: Callable[[], object]) -> None:
        started = perf_counter()
        work()
        self.figures.append(rows / (perf_counter() - started))


@dataclass
class Comparison:
    """One line of the table: ours beside its peer, and what must be reached."""

    name: str
    rows: int
    least_ratio: float
    least_rate: float | None = None
    ours: Rate = field(default_factory=Rate)
    peer: Rate = field(default_factory=Rate)

    @property
    def ratio(self) -> float:
        return self.ours.median / self.peer.median

    @property
    def reached(self) -> bool:
        return self.ratio >= self.least_ratio and self.ours.median >= (self.least_rate or 0)

    def cells(self) -> list[str]:
        least = f"{self.least_ratio:g} x" + (f", {self.least_rate:,.0f} rows/s" if self.least_rate else "")
        return [
            self.name,
            f"{self.rows:,}",
            f"{self.ours.median:,.0f}",
            f"{self.ours.spread:.0%}",
            f"{self.peer.median:,.0f}",
            f"{self.ratio:.1f} x",
            least,
            "yes" if self.reached else "NO",
        ]


HEADER = ["work", "rows", "ours, rows/s", "spread", "save(), rows/s", "ratio", "at least", "reached"]


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    widths = [max(len(line[at]) for line in [header, *lines]) for at in range(len(header))]

    def drawn(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([drawn(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(drawn, lines)])
