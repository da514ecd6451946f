from django.apps import AppConfig


class ProgramsConfig(AppConfig):
    name = "programs"

    def ready(self) -> None:
        from programs.needs import needed_by_programs  # noqa: PLC0415 - models can be imported once the apps are loaded
        from training import needs  # noqa: PLC0415 - as above

        needs.register(needed_by_programs)
