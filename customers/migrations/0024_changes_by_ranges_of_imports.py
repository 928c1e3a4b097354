"""Attribute changes of an import are found by ranges of pages on PostgreSQL: their index took a fifth of their storing."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


def summarize(apps, schema_editor):
    """Let PostgreSQL note the imports of pages as they fill, not only when it tidies the table up."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER INDEX attribute_change_import SET (autosummarize = on)")


class Migration(migrations.Migration):
    dependencies = [("customers", "0023_one_index_of_external_ids")]

    operations = [
        migrations.AlterField(
            model_name="attributechange",
            name="of_import",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="customers.import",
            ),
        ),
        migrations.AddIndex(
            model_name="attributechange",
            index=django.contrib.postgres.indexes.BrinIndex(fields=["of_import"], name="attribute_change_import"),
        ),
        migrations.RunPython(summarize, migrations.RunPython.noop),
    ]
