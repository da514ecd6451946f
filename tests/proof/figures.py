"""What a part of the proof has found: claims, each with what was counted and whether it holds."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`claim` and `counted` are words of one table row; `holds` is False where the run has shown the claim wrong."""

    claim: str
    counted: str
    holds: bool


@dataclass(frozen=True)
class Proof:
    part: str
    seconds: float
    figures: tuple[Figure, ...]
    short: bool

    @property
    def holds(self) -> bool:
        return bool(self.figures) and all(figure.holds for figure in self.figures)

    @property
    def only_controls_fail(self) -> bool:
        failing = [figure for figure in self.figures if not figure.holds]
        return bool(failing) and all(figure.claim.lower().startswith("control") for figure in failing)

    def rows(self) -> Iterable[str]:
        """Of a Markdown table: part, claim, what was counted, whether it holds."""
        for number, figure in enumerate(self.figures):
            form = "short form, " if self.short else ""
            part = f"**{self.part}** ({form}{self.seconds:.0f} s)" if number == 0 else ""
            yield f"| {part} | {figure.claim} | {figure.counted} | {'yes' if figure.holds else '**NO**'} |"


HEAD = "| part | claim | counted | holds |\n|---|---|---|---|"


def table(proofs: Iterable[Proof]) -> str:
    return "\n".join([HEAD, *(row for proof in proofs for row in proof.rows())])
