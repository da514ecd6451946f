"""All settings. Each variable, its default and an example stand in the README's configuration table."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from config.env import env, flag, one_of, positive, rate, redis_url, replica_urls, secret_key, words

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var")))

DEBUG = False
SECRET_KEY = secret_key("SECRET_KEY", DATA_DIR / "secret_key")
ALLOWED_HOSTS = words("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "config",
    "programs",
    "training",
    "enrollments",
    "accounts",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "unfold",  # Before the admin, whose templates it replaces.
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "accounts.api.request_log.RequestLog",
    "config.middleware.RequestLineLimit",
    "config.middleware.PageMethods",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False  # Routes answer with and without a trailing slash; none redirects.

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]


THREADS = positive("THREADS", 4)
# `transaction`: a pooler such as PgBouncer stands between, and any transaction may meet another server session. What
# would stay in a session is then not used: cursors of the server, prepared statements.
POOLED = one_of("DATABASE_POOLER", ["NONE", "TRANSACTION"], "NONE") == "TRANSACTION"


def database(url: str) -> dict[str, Any]:
    """One database connection's settings. Raises ImproperlyConfigured for any database but the two that are tested."""
    settings: dict[str, Any] = env.db_url_config(url)
    if settings.get("ENGINE") == "django.db.backends.postgresql":
        from psycopg import IsolationLevel  # noqa: PLC0415 - SQLite alone needs no driver

        settings["DISABLE_SERVER_SIDE_CURSORS"] = POOLED
        # Statements are short: compiling one takes longer than running it. And rows lie on solid disks or in memory,
        # where reading here and there costs little more than reading on. (A pooler takes no such options.)
        planner = {} if POOLED else {"options": "-c jit=off -c random_page_cost=1.1"}
        settings["OPTIONS"] = {
            **planner,
            **settings.get("OPTIONS", {}),
            # Statements that come often (accounts/statements.py) are prepared at their fifth time.
            "prepare_threshold": None if POOLED else 5,
            # Counting under a row lock is right under READ COMMITTED only: see accounts/transactions.py.
            "isolation_level": IsolationLevel.READ_COMMITTED,
            "pool": {"min_size": 1, "max_size": positive("DATABASE_POOL_SIZE", THREADS), "timeout": 3},
        }
    elif settings.get("ENGINE") == "django.db.backends.sqlite3":
        Path(settings["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        settings["CONN_MAX_AGE"] = None  # Opening a file anew for each request costs more than a small request.
        settings["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 3,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        raise ImproperlyConfigured("DATABASE_URL: give a postgresql:// or a sqlite:/// address.")
    return settings


def replica(url: str) -> dict[str, Any]:
    """A streaming standby. No pool, which would go on waiting for a server that is down: each thread keeps its own
    connection, and a thread that cannot have one goes to the primary.
    """
    settings = database(url)
    del settings["OPTIONS"]["pool"]
    settings["OPTIONS"] = {"connect_timeout": 2, "tcp_user_timeout": 2000, **settings["OPTIONS"]}
    return {**settings, "CONN_MAX_AGE": None, "TEST": {"MIRROR": "default"}}


DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'ledger.sqlite3'}"))}
# What of it the APIs' reads may be sent to, and how many seconds it may be behind: see accounts/replicas.py.
DATABASE_REPLICAS: list[str] = []
DATABASE_REPLICA_MAX_LAG = positive("DATABASE_REPLICA_MAX_LAG", 1)
if addresses := replica_urls("DATABASE_REPLICA_URLS"):
    if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_REPLICA_URLS: SQLite has no replicas. Give a postgresql:// DATABASE_URL.")
    DATABASES |= {f"replica{number}": replica(address) for number, address in enumerate(addresses)}
    DATABASE_REPLICAS = [alias for alias in DATABASES if alias != "default"]
    DATABASE_ROUTERS = ["accounts.replicas.Router"]

REDIS_URL = redis_url("REDIS_URL")

RATE_LIMIT_TRAIN_SESSIONS = rate("RATE_LIMIT_TRAIN_SESSIONS", "600/minute")
RATE_LIMIT_ASSIGNMENTS_READ = rate("RATE_LIMIT_ASSIGNMENTS_READ", "5/second")
RATE_LIMIT_ASSIGNMENTS_WRITE = rate("RATE_LIMIT_ASSIGNMENTS_WRITE", "10/second")
RATE_LIMIT_PROGRAMS = rate("RATE_LIMIT_PROGRAMS", "600/minute")
RATE_LIMIT_TRAINING = rate("RATE_LIMIT_TRAINING", "600/minute")

# A body over the first limit is a 413. 1,000 repeated ids must pass, so Django's own limit on fields is above that.
DATA_UPLOAD_MAX_MEMORY_SIZE = positive("MAX_BODY_BYTES", 2_621_440)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
# Longer request targets are a 414. 1,000 percent-encoded ids of 19 digits and 300 uuids fit.
MAX_REQUEST_TARGET = 65_536

FEED_PAGE_SIZE = positive("FEED_PAGE_SIZE", 200)

# Deny everybody: a view that forgot its dialect answers nobody, and no family inherits another's policy.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["accounts.api.rendering.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "accounts.api.rendering.IgnoreAccept",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_COERCE_PATH_PK_SUFFIX": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["accounts.api.openapi.without_trailing_slashes"],
    "POSTPROCESSING_HOOKS": [],  # Each enum stands where it is used.
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Training Ledger",
    "SITE_HEADER": "Training Ledger",
    "SITE_SYMBOL": "school",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("config/icon.svg")},
    ],
    "STYLES": [lambda _request: static("config/admin.css")],
    "SCRIPTS": [lambda _request: static("config/theme.js")],
    "DASHBOARD_CALLBACK": "training.admin.dashboard.dashboard",
    "SIDEBAR": {"navigation": "config.navigation.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .012 215)",
            "100": "oklch(94.5% .028 215)",
            "200": "oklch(89% .052 215)",
            "300": "oklch(81% .085 215)",
            "400": "oklch(70% .11 218)",
            "500": "oklch(58% .115 222)",
            "600": "oklch(49% .105 226)",
            "700": "oklch(42% .09 228)",
            "800": "oklch(36% .075 230)",
            "900": "oklch(31% .06 232)",
            "950": "oklch(22% .045 235)",
        },
    },
}

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # Served from the packages: there is no collectstatic step to forget.

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"

# Behind a proxy that speaks TLS. `check --deploy` asks for all of it.
HTTPS = flag("HTTPS", default=False)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)/?$"]  # Probes speak plain HTTP.
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

LOG_LEVEL = one_of("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "accounts.api.request_log.RequestFacts"}},
    "formatters": {
        "line": {
            "()": "accounts.api.request_log.RedactingFormatter",
            "fmt": "{asctime} {levelname} {name} [{request_id}] {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request"]}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Django's own handlers would write a request line a second time, unredacted.
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},
        # Anybody can send a wrong Host; the access log has the line, and each would be a traceback here.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # What fails is raised, and said once by whoever asked for a connection.
        "psycopg.pool": {"level": "ERROR"},
    },
}
