"""As `startproject` and the documentation of Django REST framework leave them, on the same database and connections."""

from config.settings import (  # noqa: F401 - Django reads them here
    ALLOWED_HOSTS,
    AUTH_USER_MODEL,
    DATABASES,
    DEFAULT_AUTO_FIELD,
    INSTALLED_APPS,
    SECRET_KEY,
    TEMPLATES,
)

DEBUG = False
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.benchmarks.stock.urls"
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tests.benchmarks.stock.policy.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tests.benchmarks.stock.policy.HasToken"],
    "DEFAULT_PAGINATION_CLASS": "tests.benchmarks.stock.policy.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
