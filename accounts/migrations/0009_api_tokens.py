from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_history_links")]

    operations = [
        migrations.AlterModelOptions(name="apitoken", options={"ordering": ["pk"], "verbose_name": "API token"}),
    ]
