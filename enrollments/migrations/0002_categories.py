from uuid import UUID

from django.db import migrations

CATEGORIES = [
    ("technical", "Technical", UUID("5a0f6a4e-6f0e-4f0b-9d3c-0a6c1f0c7a01")),
    ("soft_skills", "Soft skills", UUID("5a0f6a4e-6f0e-4f0b-9d3c-0a6c1f0c7a02")),
    ("compliance", "Compliance", UUID("5a0f6a4e-6f0e-4f0b-9d3c-0a6c1f0c7a03")),
    ("leadership", "Leadership", UUID("5a0f6a4e-6f0e-4f0b-9d3c-0a6c1f0c7a04")),
    ("onboarding", "Onboarding", UUID("5a0f6a4e-6f0e-4f0b-9d3c-0a6c1f0c7a05")),
    ("safety", "Safety", UUID("5a0f6a4e-6f0e-4f0b-9d3c-0a6c1f0c7a06")),
]


def load(apps, schema_editor):
    category = apps.get_model("enrollments", "Category")
    category.objects.bulk_create(category(slug=slug, name=name, uuid=uuid) for slug, name, uuid in CATEGORIES)


class Migration(migrations.Migration):
    dependencies = [("enrollments", "0001_initial")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
