"""Pictures of what was found, as SVG: bars of how many times the peer, and lines of what a page costs as rows grow."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import sentence

INK, FAINT, OURS, SHORT_OF, MARK = "#1f2933", "#d5dbe1", "#0e7490", "#b45309", "#475569"
LINES = ("#0e7490", "#b45309", "#4d7c0f", "#7c3aed", "#be123c", "#0369a1", "#a16207", "#15803d", "#475569")
LEFT, WIDTH, ROW = 330, 900, 24


def save(part: str, into: Path, figures: Mapping[str, Any], machine: Mapping[str, str]) -> None:
    """The part's figures, and a picture of those that have one."""
    into.mkdir(parents=True, exist_ok=True)
    whole = json.dumps({"machine": machine, **figures}, indent=2)
    (into / f"{part}.json").write_text(f"{whole}\n", encoding="utf-8")
    if part in ("wire", "seats"):
        shown = bars(figures[part]["findings"], sentence(machine))
    elif part == "growth":
        shown = lines(figures[part]["sizes"], figures[part]["seconds"], sentence(machine))
    else:
        return
    (into / f"{part}.svg").write_text(shown, encoding="utf-8")


def text(
    x: float, y: float, said: str, *, anchor: str = "start", size: int = 12, color: str = INK, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{color}" '
        f'font-weight="{weight}">{escape(said)}</text>'
    )


def drawn(height: float, marks: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>{"".join(marks)}</svg>\n'
    )


def bars(findings: Sequence[Mapping[str, Any]], note: str) -> str:
    """A group for each peer; a bar for each line, and a mark where it must reach."""
    marks = [text(20, 34, "Rate of the endpoints, beside peers of the same run", size=18, weight=600)]
    y = 66.0
    for unit, said in (("x", "times the rate of the peer"), ("%", "percent of the limit")):
        group = [one for one in findings if one["unit"] == unit and one["beside"] not in ("", "the first")]
        if not group:
            continue
        most = max(max(one["value"], one["must"] or 0) for one in group) * 1.12
        marks.append(text(LEFT, y, said, size=12, color=MARK, weight=600))
        y += 10
        for one in group:
            long, must = (value / most * (WIDTH - LEFT - 70) for value in (one["value"], one["must"] or 0))
            color = OURS if one["reached"] else SHORT_OF
            marks += [
                text(LEFT - 10, y + 16, f"{one['what']} / {one['beside']}", anchor="end"),
                f'<rect x="{LEFT}" y="{y + 4:.1f}" width="{max(long, 1):.1f}" height="16" rx="2" fill="{color}"/>',
                text(LEFT + max(long, must) + 8, y + 16, f"{one['value']:.3g} {unit}", weight=600),
            ]
            if one["must"] is not None:
                marks.append(f'<rect x="{LEFT + must - 1:.1f}" y="{y + 1:.1f}" width="2" height="22" fill="{INK}"/>')
            y += ROW
        y += 34
    marks.append(text(20, y, f"The upright mark: at least so much. {note}", size=11, color=MARK))
    return drawn(y + 20, marks)


def lines(sizes: Sequence[int], seconds: Mapping[str, Sequence[float]], note: str) -> str:
    """Seconds by size, each as a multiple of itself at the smallest size: flat is good. Peers are dashed."""
    left, top, right, bottom = 60.0, 64.0, 560.0, 380.0
    factors = {name: [value / values[0] for value in values] for name, values in seconds.items()}
    most = max(2.0, *(max(values) for values in factors.values()))
    least = min(0.8, *(min(values) for values in factors.values()))
    span = math.log(sizes[-1] / sizes[0]) or 1

    def at(size: float, factor: float) -> tuple[float, float]:
        across = left + (right - left) * math.log(size / sizes[0]) / span
        return across, bottom - (bottom - top) * math.log(factor / least) / math.log(most / least)

    marks = [text(20, 34, "What a request costs as the ledger grows", size=18, weight=600)]
    for factor in [value for value in (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100) if least <= value <= most]:
        y = at(sizes[0], factor)[1]
        marks.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{INK if factor == 1 else FAINT}"/>')
        marks.append(text(left - 8, y + 4, f"{factor:g} x", anchor="end", size=11, color=MARK))
    marks += [text(at(size, 1)[0], bottom + 20, f"{size:,}", anchor="middle", size=11, color=MARK) for size in sizes]
    colors: dict[str, str] = {}
    for number, (name, values) in enumerate(factors.items()):
        what, _, peer = name.rpartition(", ")
        color = colors.setdefault(what, LINES[len(colors) % len(LINES)])
        points = " ".join("{:.1f},{:.1f}".format(*at(size, value)) for size, value in zip(sizes, values, strict=True))
        dash = "" if peer == "ours" else ' stroke-dasharray="4 4" opacity="0.7"'
        marks.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        y = top + number * 21
        marks.append(f'<path d="M{right + 30} {y - 4:.1f}h24" stroke="{color}" stroke-width="2"{dash}/>')
        marks.append(text(right + 62, y, f"{name} ({values[-1]:.2f} x)", size=11))
    height = max(bottom + 60, top + len(factors) * 21 + 30)
    marks.append(
        text(20, height - 14, f"Rows of one organization, as many again around them. {note}", size=11, color=MARK)
    )
    return drawn(height, marks)
