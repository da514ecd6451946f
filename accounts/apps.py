from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import history  # noqa: PLC0415 - models can be imported once the apps are loaded

        connection_created.connect(history.connected)
        pre_migrate.connect(history.uninstall)
        post_migrate.connect(history.install)
