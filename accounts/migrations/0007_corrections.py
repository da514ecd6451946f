from django.db import migrations, models

KINDS = [
    ("bulk_enroll", "Bulk Enroll"),
    ("assign", "Assign"),
    ("unassign", "Unassign"),
    ("undo", "Undo"),
    ("import_people", "Import People"),
    ("import_courses", "Import Courses"),
    ("import_records", "Import Records"),
    ("apply_requirements", "Apply Requirements"),
    ("correct", "Correct"),
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_import_files")]

    operations = [
        migrations.RemoveConstraint(model_name="bulkoperation", name="bulk_operation_kind_known"),
        migrations.AlterField(
            model_name="bulkoperation", name="kind", field=models.CharField(choices=KINDS, max_length=20)
        ),
        migrations.AddConstraint(
            model_name="bulkoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=[kind for kind, _ in KINDS]), name="bulk_operation_kind_known"
            ),
        ),
    ]
