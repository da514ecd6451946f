"""The project's settings, for tests: a data folder of their own, no rate limits, quick password hashes.

A settings module and no conftest, because pytest-django reads the settings before it reads any conftest.
"""

import os
import tempfile

os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="training-ledger-tests-")
os.environ.setdefault("DATABASE_POOL_SIZE", "40")  # Races run in many threads.
os.environ.pop("REDIS_URL", None)
os.environ.pop("DATABASE_REPLICA_URLS", None)
for family in ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING"):
    os.environ[f"RATE_LIMIT_{family}"] = ""

from config.settings import *  # noqa: E402, F403 - after the environment

WHITENOISE_AUTOREFRESH = True  # Looks for a file when it is asked for, not for all when a client is made.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# The servers and commands that tests start are the real ones.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
