"""The parts of the proof, each in processes of its own that end with it, whatever becomes of it.

Apart from the command: a process that is started for one cannot load `__main__`.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NoReturn

from tests.benchmarks.databases import RUN, dropped_at_the_end
from tests.proof.crashes_processes import descendants, kill
from tests.proof.figures import Figure, Proof
from tests.proof.ground import Ground

PARTS = ("seats", "crashes", "feed", "fuzz", "access", "hostile", "limits", "time")
SPAWN = multiprocessing.get_context("spawn")
LONGEST, LONGEST_SHORT = 60 * 60, 10 * 60  # Seconds that a part may take. The longest are seats and crashes.
GRACE = 60  # Seconds that it gets to end in order.


def apart(part: str, ground: Ground) -> Proof:
    """In a process of its own, because settings name one database.

    A control shows by chance what it shows: where nothing but a control has failed, all is done once more, and the
    figures are of the second time.
    """
    found = _apart(part, ground)
    return replace(_apart(part, ground), again=True) if found.only_controls_fail else found


def _apart(part: str, ground: Ground) -> Proof:
    started = time.monotonic()
    longest = LONGEST_SHORT if ground.short else LONGEST
    with _begun(part, ground) as (process, receiving):
        # A look every second: the end of a pipe is not seen while a child of a dead process holds its other end.
        while process.is_alive() and not receiving.poll(1):
            if time.monotonic() - started > longest:
                return _failed(part, ground, longest, f"it was ended after {longest / 60:g} minutes")
        with suppress(EOFError):
            if receiving.poll():
                proof: Proof = receiving.recv()
                process.join(GRACE)
                return proof
        process.join(GRACE)
    why = f"it failed with status {process.exitcode}, as is said above"
    return _failed(part, ground, time.monotonic() - started, why)


def _failed(part: str, ground: Ground, seconds: float, why: str) -> Proof:
    return Proof(part, seconds, (Figure("the part comes to its end", why, holds=False, brief=why),), ground.short)


@contextmanager
def _begun(part: str, ground: Ground) -> Iterator[tuple[SpawnProcess, Connection]]:
    """A process that sends its proof. At the end there is nothing of it: no process, no database, no folder."""
    with (
        tempfile.TemporaryDirectory(prefix="proof-", ignore_cleanup_errors=True) as folder,
        dropped_at_the_end() as run,
    ):
        Path(folder).chmod(0o711)  # Servers that refuse to be root have their folders in it.
        receiving, sending = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=proved, args=(part, ground, {"TMPDIR": folder, RUN: run}, sending))
        try:
            process.start()
            sending.close()
            yield process, receiving
        finally:
            if process.pid is not None:
                _end(process, process.pid)


def proved(part: str, ground: Ground, changes: dict[str, str], sending: Connection) -> None:
    os.setsid()  # A Ctrl-C reaches the command alone, which ends this process and all that it has started.
    os.environ.update(changes)
    end_in_order()
    started = time.monotonic()
    figures = tuple(importlib.import_module(f"tests.proof.{part}").prove(ground))
    sending.send(Proof(part, time.monotonic() - started, figures, ground.short))


def end_in_order() -> None:
    """SIGTERM and Ctrl-C end this process as an exception does, once: what it has begun is ended first."""

    def leave(_number: int, _frame: object) -> NoReturn:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        sys.exit("Ended from outside.")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def _end(process: SpawnProcess, pid: int) -> None:
    """It and its children, in order; then whatever is left of them, servers in sessions of their own too."""
    if process.is_alive():
        if not _signalled(pid, signal.SIGTERM):
            process.terminate()  # It has only just begun, and is no group yet.
        process.join(GRACE)
    left = descendants(pid) if process.is_alive() else []
    _signalled(pid, signal.SIGKILL)
    for one in left:
        kill(one)
    process.kill()
    process.join()


def _signalled(group: int, number: signal.Signals) -> bool:
    """Whether there is such a process group."""
    with suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False
