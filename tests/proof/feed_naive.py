"""The control: the same changes in the same run, stamped as is usual (`now()`, by a trigger, under no lock), and readers
that ask for what is newer than the newest that they have seen.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

STAMPS = """
CREATE TABLE naive_stamp (record bigint PRIMARY KEY, updated_at timestamptz NOT NULL);
CREATE INDEX ON naive_stamp (updated_at);
CREATE FUNCTION naive_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO naive_stamp VALUES (NEW.id, now()) ON CONFLICT (record) DO UPDATE SET updated_at = now();
    RETURN NULL;
END $$;
CREATE TRIGGER naive_stamp AFTER INSERT OR UPDATE ON training_trainsession FOR EACH ROW EXECUTE FUNCTION naive_stamp();
"""
NEWER = "SELECT record, updated_at FROM naive_stamp WHERE updated_at > %s ORDER BY updated_at"
PAGE = 200
PAUSE = 0.03  # Seconds, as the careful readers.
Stamps = dict[int, datetime]


def install(url: str) -> None:
    with psycopg.connect(url) as database:
        database.execute(STAMPS)


@dataclass
class Follower:
    """Asks for what is newer than the newest: all of it, or a page."""

    asks: str
    seen: Stamps
    newest: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def goes_on(self, database: "psycopg.Connection[tuple[int, datetime]]") -> bool:
        rows = database.execute(self.asks.encode(), [self.newest]).fetchall()
        self.seen.update(rows)
        self.newest = max((at for _, at in rows), default=self.newest)
        return bool(rows)


def follow(url: str, done: Path) -> tuple[Stamps, Stamps]:
    """What two naive readers have of each record at the end: one that takes all at once, and one that takes pages."""
    whole, paged = Follower(NEWER, {}), Follower(f"{NEWER} LIMIT {PAGE}", {})
    with psycopg.connect(url, autocommit=True) as database:
        while True:
            over = done.exists()
            if not any([whole.goes_on(database), paged.goes_on(database)]):
                if over:
                    return whole.seen, paged.seen
                time.sleep(PAUSE)


def missed(url: str, seen: Stamps) -> tuple[int, int]:
    """Of how many records a reader has not the last change; and of how many."""
    with psycopg.connect(url) as database:
        stamps = database.execute("SELECT record, updated_at FROM naive_stamp").fetchall()
    return sum(seen.get(record) != at for record, at in stamps), len(stamps)
