"""The same requests on ledgers of different sizes: what a page costs must not grow with the rows around it."""

from pathlib import Path

import psycopg

from tests.benchmarks.asked import Asked, feed_page, pages, training
from tests.benchmarks.databases import scratch_database
from tests.benchmarks.findings import Bar, Figures, Result, at_most
from tests.benchmarks.ledger import MAIN, build
from tests.benchmarks.measuring import table
from tests.benchmarks.servers import all_running, pin_client
from tests.benchmarks.wire import BEGINNING, FULL, SHORT, TRAINING, Wire

GROWN = Bar(1.5, 1.1)
PEERS = ("ours", "bare")


def measure(folder: Path, url: str, sizes: tuple[int, ...], *, short: bool) -> Result:
    """Each size in a copy of the migrated database at `url`, to which nobody may be connected."""
    found = {size: measured(folder, url, size, short=short) for size in sizes}
    small, large = sizes[0], sizes[-1]
    names = list(found[small])
    findings, lines = [], []
    for name in names:
        ours = [found[size][name]["ours"].seconds / found[size][name]["ours"].rows for size in sizes]
        raw = {str(size): {peer: one.rounds for peer, one in found[size][name].items()} for size in sizes}
        finding = at_most(name, ours[-1] / ours[0], "x", bar=GROWN, raw=raw)
        finding.ours, finding.beside, finding.its = milliseconds(ours[-1]), f"at {small:,}", milliseconds(ours[0])
        findings.append(finding)
        for peer in found[small][name]:
            each = [found[size][name][peer] for size in sizes]
            lines.append([name, peer, *(milliseconds(one.seconds / one.rows) for one in each)])
    curves = {
        f"{name}, {peer}": [found[size][name][peer].seconds / found[size][name][peer].rows for size in sizes]
        for name in names
        for peer in found[small][name]
    }
    shown = table(["a page, or a row of a list", "of", *(f"{size:,} rows" for size in sizes)], lines)
    return Result(findings, name="growth", after=f"\n{shown}", more={"sizes": sizes, "seconds": curves, "large": large})


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.3g} ms"


def measured(folder: Path, template: str, size: int, *, short: bool) -> dict[str, dict[str, Figures]]:
    """Seconds by request and server, at that size."""
    effort = SHORT if short else FULL
    with scratch_database(template) as url:
        build(url, size)
        pin_client()
        with all_running(folder, url, PEERS) as servers, psycopg.connect(url, autocommit=True) as database:
            wire = Wire(servers, database, effort)
            asked = [without_stock(one) for one in pages(database)]
            asked.append(without_stock(feed_page(servers, BEGINNING, "change feed, page of 200", {})))
            asked += [without_stock(training(name)) for name in TRAINING]
            found = dict(zip([one.name for one in asked], wire.timed(*asked), strict=True))
            lists, _ = wire.listed(MAIN, PEERS)
            return {**found, "complete list, each row": lists}


def without_stock(asked: Asked) -> Asked:
    return Asked(asked.name, {name: path for name, path in asked.paths.items() if name in PEERS})
