"""What a part of the proof has found: claims, each with what was counted and whether it holds."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`claim` and `counted` are words of one table row; `holds` is False where the run has shown the claim wrong.

    `brief` is what the page says of it, where all figures of a part stand in one row.
    """

    claim: str
    counted: str
    holds: bool
    brief: str = ""

    @property
    def is_control(self) -> bool:
        return self.claim.lower().startswith("control")


@dataclass(frozen=True)
class Proof:
    part: str
    seconds: float
    figures: tuple[Figure, ...]
    short: bool
    again: bool = False
    """The first time a control was not caught, and all was done once more: these figures are of the second time."""

    @property
    def holds(self) -> bool:
        return bool(self.figures) and all(figure.holds for figure in self.figures)

    @property
    def only_controls_fail(self) -> bool:
        failing = [figure for figure in self.figures if not figure.holds]
        return bool(failing) and all(figure.is_control for figure in failing)

    @property
    def named(self) -> str:
        form = "short form, " if self.short else ""
        again = ", second try" if self.again else ""
        return f"**{self.part}** ({form}{self.seconds:.0f} s{again})"

    def rows(self) -> Iterable[str]:
        """Of a Markdown table: part, claim, what was counted, whether it holds."""
        for number, figure in enumerate(self.figures):
            part = self.named if number == 0 else ""
            yield f"| {part} | {figure.claim} | {figure.counted} | {'yes' if figure.holds else '**NO**'} |"

    def row(self) -> str:
        """All of it in one row: part, claims, controls."""
        claims = [figure for figure in self.figures if not figure.is_control]
        controls = [figure for figure in self.figures if figure.is_control]
        return f"| {self.named} | {_counted(claims, 'hold')} | {_counted(controls, 'caught')} |"


def _counted(figures: list[Figure], word: str) -> str:
    holding = sum(figure.holds for figure in figures)
    of = f"{holding} of {len(figures)} {word}"
    return "; ".join([of if holding == len(figures) else f"**{of}**", *(one.brief for one in figures if one.brief)])


HEAD = "| part | claim | counted | holds |\n|---|---|---|---|"
BRIEF_HEAD = "| part | claims | controls |\n|---|---|---|"


def table(proof: Proof) -> str:
    return "\n".join([HEAD, *proof.rows()])
