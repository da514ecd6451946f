from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from enrollments import ledger  # noqa: PLC0415 - models can be imported once the apps are loaded
        from training.ledger import TrainSessionLedger  # noqa: PLC0415

        ledger.register(TrainSessionLedger())
