#!/usr/bin/env python
import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
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
