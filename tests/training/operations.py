"""What bulk operations on the ledger wrote, whole."""

from typing import Any

from accounts.models import BulkOperation, BulkRow
from training.models import TrainSession

Row = dict[str, Any]


def records() -> dict[int, Row]:
    """Every train session with all its columns, by id."""
    return {row["id"]: {**row} for row in TrainSession.objects.order_by("pk").values()}


def operations() -> list[Row]:
    """But for ids, and with "somebody" for who ran a command on which machine."""
    found = []
    for values in BulkOperation.objects.order_by("pk").values():
        row: Row = {**values}
        del row["id"]
        if row["details"].get("run_by"):
            row["details"]["run_by"] = "somebody"
        found.append(row)
    return found


def lines(operation_id: int) -> list[tuple[Any, ...]]:
    """The rows of an operation: line, key, outcome, reason, target, before."""
    rows = BulkRow.objects.filter(operation_id=operation_id).order_by("pk")
    return list(rows.values_list("line", "key", "outcome", "reason", "target_id", "before"))


def last_operation() -> int:
    return BulkOperation.objects.latest("pk").pk
