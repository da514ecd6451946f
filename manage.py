#!/usr/bin/env python
import os
import sys
from io import TextIOWrapper

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # Closed by the caller. Opened in this order each gets its own number, which a database file would else get.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - open until the end
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # What a terminal cannot show stops no command half-way.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        "".join(sys.argv).encode()
    except UnicodeEncodeError:
        sys.exit("Error: an argument is not UTF-8.")
    try:
        _ = settings.DATA_DIR  # Read now: Django puts a refusal off, into a traceback of its own.
    except (ImproperlyConfigured, OSError) as error:
        sys.exit(f"Error: the settings cannot be used: {error}")
    execute_from_command_line(sys.argv)
