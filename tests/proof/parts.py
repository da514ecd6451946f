"""The parts of the proof. Apart from the command: a process that is started for one cannot load `__main__`."""

import importlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

from tests.proof.figures import Proof
from tests.proof.ground import Ground

PARTS = ("seats", "crashes", "feed", "fuzz", "access", "hostile", "limits", "time")


def apart(part: str, ground: Ground) -> Proof:
    """In a process of its own, because settings name one database.

    A control shows by chance what it shows: where nothing but a control has failed, all is done once more.
    """
    found = _apart(part, ground)
    return _apart(part, ground) if found.only_controls_fail else found


def _apart(part: str, ground: Ground) -> Proof:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(proved, part, ground).result()


def proved(part: str, ground: Ground) -> Proof:
    started = time.monotonic()
    figures = tuple(importlib.import_module(f"tests.proof.{part}").prove(ground))
    return Proof(part, time.monotonic() - started, figures, ground.short)
