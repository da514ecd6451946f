from django.db import migrations, models


class Migration(migrations.Migration):
    """Without the first, certificates not renewed are found by hashing all completed records: twice the time."""

    dependencies = [("training", "0004_requirements")]

    operations = [
        migrations.AddIndex(
            model_name="trainsession",
            index=models.Index(
                fields=["organization", "person", "course", "completed_at", "id"],
                name="train_session_newest",
                condition=models.Q(state="completed"),
            ),
        ),
        migrations.AddIndex(
            model_name="trainsession",
            index=models.Index(
                fields=["organization", "course"],
                name="train_session_by_course",
                condition=models.Q(state="completed"),
            ),
        ),
    ]
