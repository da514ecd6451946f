"""What was found, line by line: ours beside a peer or a limit, what must be reached, and what is aimed at."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.measuring import table

HEADER = ["what", "ours", "spread", "beside", "its", "spread", "result", "must", "aim", "reached"]


@dataclass
class Figures:
    """Of the rounds of a run, in seconds."""

    rounds: list[float] = field(default_factory=list)
    rows: int = 1  # What one of these times is for.

    @property
    def seconds(self) -> float:
        return statistics.median(self.rounds)

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    @property
    def spread(self) -> float:
        """How far the rounds lie apart, as a share of the median."""
        return (max(self.rounds) - min(self.rounds)) / self.seconds


@dataclass
class Finding:
    what: str
    ours: str
    value: float
    unit: str  # `x` or `%` of the peer, else of an absolute limit: `ms`, `MB`, `s`.
    least: float | None = None
    aim: float | None = None
    more_is_better: bool = True
    beside: str = ""
    its: str = ""
    spreads: tuple[float | None, float | None] = (None, None)
    raw: dict[str, Any] = field(default_factory=dict)

    def meets(self, wanted: float | None) -> bool:
        if wanted is None:
            return True
        return self.value >= wanted if self.more_is_better else self.value <= wanted

    @property
    def reached(self) -> bool:
        return self.meets(self.least)

    def shown(self, value: float | None) -> str:
        if value is None:
            return ""
        return f"{value:.0f} %" if self.unit == "%" else f"{value:,.3g} {self.unit}"

    def cells(self) -> list[str]:
        spreads = ["" if spread is None else f"{spread:.0%}" for spread in self.spreads]
        verdict = "" if self.least is None else "aim" if self.meets(self.aim) else "yes" if self.reached else "NO"
        wanted = [self.shown(self.least), self.shown(self.aim)]
        return [
            self.what,
            self.ours,
            spreads[0],
            self.beside,
            self.its,
            spreads[1],
            self.shown(self.value),
            *wanted,
            verdict,
        ]


@dataclass(frozen=True)
class Bar:
    """What must be reached, and what is aimed at."""

    least: float
    aim: float


def beside(what: str, ours: Figures, peer: str, its: Figures, *, bar: Bar | None, percent: bool = False) -> Finding:
    """Rates. `percent`: of a peer that is a limit."""
    ratio = ours.rate / its.rate
    unit = "rows/s" if ours.rows > 1 else "/s"
    return Finding(
        what,
        f"{ours.rate:,.0f} {unit}",
        ratio * 100 if percent else ratio,
        "%" if percent else "x",
        bar.least if bar else None,
        bar.aim if bar else None,
        beside=peer,
        its=f"{its.rate:,.0f} {unit}",
        spreads=(ours.spread, its.spread),
        raw={"ours_seconds": ours.rounds, "peer_seconds": its.rounds, "rows": [ours.rows, its.rows]},
    )


def at_most(what: str, value: float, unit: str, *, bar: Bar | None, raw: Any = None) -> Finding:
    """A figure that has no peer, or is a ratio of two of our own."""
    least, aim = (bar.least, bar.aim) if bar else (None, None)
    return Finding(what, f"{value:,.3g} {unit}", value, unit, least, aim, more_is_better=False, raw={"figures": raw})


def percentile(figures: Sequence[float], share: float) -> float:
    return sorted(figures)[min(int(len(figures) * share), len(figures) - 1)]


@dataclass
class Result:
    findings: list[Finding]
    after: str = ""  # Below the table.
    more: dict[str, Any] = field(default_factory=dict)
    name: str = "wire"

    @property
    def reached(self) -> bool:
        return all(one.reached for one in self.findings)

    @property
    def text(self) -> str:
        return "\n".join([table(HEADER, [one.cells() for one in self.findings]), *([self.after] if self.after else [])])

    @property
    def figures(self) -> dict[str, Any]:
        lines = [
            {
                "what": one.what,
                "beside": one.beside,
                "value": one.value,
                "unit": one.unit,
                "must": one.least,
                "aim": one.aim,
                "reached": one.reached,
                **one.raw,
            }
            for one in self.findings
        ]
        return {self.name: {"findings": lines, **self.more}}
