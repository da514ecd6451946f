"""The server's worker with less patience, so that a test need not have its."""

from config import receiving
from config.worker import Worker

__all__ = ["Worker"]

receiving.HEAD_SECONDS, receiving.REQUEST_SECONDS = 1, 2
