"""The change feed: whoever follows its cursor has at the end what the tables have, however often he dies on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.proof.feed_reader import MOMENTS
from tests.proof.feed_readers import FROM_OUTSIDE, Crashing
from tests.proof.figures import Figure
from tests.proof.ground import Ground

CHANGES, SHORT = 50_000, 1_500
OFTEN, SELDOM = Crashing(one_in=4, longest_life=2.0), Crashing(one_in=15, longest_life=8.0)
NAIVE_MISSES = 0.01  # Of the records, more.


def prove(ground: Ground) -> Iterable[Figure]:
    with ground.django() as url, ground.folder() as folder:
        from tests.proof import feed_run, feed_writers  # noqa: PLC0415 - they need the apps

        changes = SHORT if ground.short else CHANGES
        run = feed_run.run(url, folder, changes, OFTEN if ground.short else SELDOM)
        table = feed_run.table(run.organization)
    acts = {act: sum(one.acts[act] for one in run.written) for act in feed_writers.ACTS}
    transactions = len({change.at for change in run.journal})
    yield Figure(
        f"at least {changes:,} changes by {len(run.written)} writer processes",
        f"{len(run.journal):,} changes in {transactions:,} transactions of {len(table.shown):,} records in "
        f"{run.seconds:.0f} s: {listed(acts)}; busy {sum(one.busy for one in run.written)} times",
        # The short form is over before everything had its turn.
        len(run.journal) >= changes and (ground.short or all(acts.values())),
        brief=f"{len(run.journal):,} changes by {len(run.written)} writers",
    )
    deaths = sum(run.deaths, Counter[str]())
    yield Figure(
        f"{len(run.readers)} readers over HTTP are killed (`kill -9`), each of them, and resume from their last cursor",
        f"{deaths.total()} deaths ({', '.join(str(one.total()) for one in run.deaths)}): {listed(deaths)}; "
        f"{sum(one.twice for one in run.readers):,} rows shown twice",
        len(run.deaths) == len(run.readers) and all(died(one, short=ground.short) for one in run.deaths),
        brief=f"{deaths.total()} deaths of {len(run.readers)} readers",
    )
    differing = [len(feed_run.differing(one, table)) for one in run.readers]
    yield Figure(
        "nothing is missed: each reader's copy is the tables, whole row by whole row",
        "; ".join(f"{len(one.copy):,} rows, {wrong} differ" for one, wrong in zip(run.readers, differing, strict=True)),
        not any(differing) and bool(table.shown),
        brief=f"{len(table.shown):,} records: {sum(differing)} missed",
    )
    wrong = [feed_run.out_of_order(one, table) for one in run.readers]
    rows = sum(len(rows) for one in run.readers for rows in one.runs.values())
    yield Figure(
        "each run of a reader is in the order of the changes, by stamp and then id, none twice",
        f"{rows:,} rows in {sum(len(one.runs) for one in run.readers)} runs and {sum(one.pages for one in run.readers):,} "
        f"pages ({sum(one.at_the_head for one in run.readers):,} at the feed's head, not full), {sum(wrong)} out of order",
        not any(wrong),
        brief=f"{rows:,} rows read: {sum(wrong)} out of order",
    )
    whole, paged = (missed / len(table.shown) for missed in run.naive)
    yield Figure(
        "control, in the same run: a cursor on clock stamps, `updated_at > last seen`, misses more than 1 %",
        f"last change missed of {whole:.1%} of the records; read by pages, of {paged:.1%}",
        whole > NAIVE_MISSES and paged > NAIVE_MISSES,
        brief=f"a naive cursor misses {whole:.1%} of the records",
    )


def died(deaths: Counter[str], *, short: bool) -> bool:
    """More than once; in the full form at every moment that there is."""
    return deaths.total() > 1 and (short or all(deaths[moment] for moment in (*MOMENTS, FROM_OUTSIDE)))


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in Counter(counts).most_common())
