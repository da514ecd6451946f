from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_corrections")]

    operations = [
        migrations.AddField(
            model_name="historyentry",
            name="parent_id",
            field=models.BigIntegerField(
                blank=True,
                help_text="Of a row that links: the id of the one whose history tells of it, too.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="historyentry",
            index=models.Index(fields=["organization", "actor", "-at", "-id"], name="history_actor"),
        ),
        migrations.AddIndex(
            model_name="historyentry",
            index=models.Index(
                condition=models.Q(("parent_id__isnull", False)),
                fields=["organization", "parent_id", "-id"],
                name="history_parent",
            ),
        ),
    ]
