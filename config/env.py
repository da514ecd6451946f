"""Readers of the environment. Each fails loudly, naming the variable, at start."""

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def rate(variable: str, default: str) -> str:
    """A rate of the form `600/minute`; empty means off."""
    value: str = env.str(variable, default=default).strip()
    if value and not re.fullmatch(r"[1-9][0-9]*/([1-9][0-9]* ?)?(second|minute|hour|day)s?", value, re.ASCII):
        raise ImproperlyConfigured(f"{variable} is {value!r}. Give a rate such as 600/minute, or nothing.")
    return value


def words(variable: str, default: list[str]) -> list[str]:
    """Values separated by commas; spaces around them do not count."""
    return [word.strip() for word in env.list(variable, default=default) if word.strip()]


def one_of(variable: str, known: Sequence[str], default: str) -> str:
    value: str = env.str(variable, default=default).strip().upper()
    if value not in known:
        raise ImproperlyConfigured(f"{variable} is {value!r}. Give one of {', '.join(known)}.")
    return value


def redis_url(variable: str) -> str:
    value: str = env.str(variable, default="").strip()
    if value and not re.match(r"rediss?://[^/]", value):
        raise ImproperlyConfigured(f"{variable}: give an address such as redis://127.0.0.1:6379/0, or nothing.")
    return value


def replica_urls(variable: str) -> list[str]:
    """Addresses of PostgreSQL servers. None is shown: they hold passwords."""
    urls = words(variable, [])
    for number, url in enumerate(urls, start=1):
        try:
            address = urlsplit(url)
            understood = address.scheme in {"postgres", "postgresql"} and address.path.strip("/") and address.port != 0
        except ValueError:
            understood = False
        if not understood:
            raise ImproperlyConfigured(
                f"{variable}: address {number} is not understood. Give postgresql://user:password@host:5432/name, "
                "several separated by commas, or nothing."
            )
    return urls


def positive(variable: str, default: int) -> int:
    try:
        value: int = env.int(variable, default=default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} is not a whole number.") from error
    if value < 1:
        raise ImproperlyConfigured(f"{variable} is {value}. Give 1 or more.")
    return value


def flag(variable: str, *, default: bool) -> bool:
    value = os.environ.get(variable, "").strip().lower()
    known = {"": default, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value not in known:
        raise ImproperlyConfigured(f"{variable} is {value!r}. Give true or false.")
    return known[value]


def secret_key(variable: str, file: Path) -> str:
    """The variable, or else the file, which the first start makes with a random key that only its owner reads."""
    if key := os.environ.get(variable, ""):
        return key
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and linked into place, so that of two processes starting at once both read the same, whole key.
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not file.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64), encoding="ascii")
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="ascii")
