"""Imports that were there before get a random id of 128 bits."""

import secrets

from django.db import migrations


def fill(apps, schema_editor) -> None:
    Import = apps.get_model("customers", "Import")
    rows = list(Import.objects.filter(public_id=None).only("pk"))
    for row in rows:
        row.public_id = secrets.token_urlsafe(16)
    Import.objects.bulk_update(rows, ["public_id"], batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("customers", "0015_imports_have_ids_for_others")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
