from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from accounts import leaving  # noqa: PLC0415 - models can be imported once the apps are loaded
        from enrollments import ledger  # noqa: PLC0415 - as above
        from training.ledger import TrainSessionLedger  # noqa: PLC0415
        from training.services.leaving import LeftBehind  # noqa: PLC0415

        ledger.register(TrainSessionLedger())
        leaving.register(LeftBehind())
