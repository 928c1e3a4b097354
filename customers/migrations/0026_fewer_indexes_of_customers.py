"""Public ids are asked for by nobody, and the imports of customers are found by ranges of pages: two indexes a row less."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


def summarize(apps, schema_editor):
    """Let PostgreSQL note the imports of pages as they fill, not only when it tidies the table up."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER INDEX customer_told_by SET (autosummarize = on)")


class Migration(migrations.Migration):
    dependencies = [("customers", "0025_feed_logins")]

    operations = [
        migrations.RemoveConstraint(model_name="customer", name="customer_public_id_unique"),
        migrations.AlterField(
            model_name="customer",
            name="told_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="The last import that brought this customer, or changed an address or a permission.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="customers.import",
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=django.contrib.postgres.indexes.BrinIndex(fields=["told_by"], name="customer_told_by"),
        ),
        migrations.RunPython(summarize, migrations.RunPython.noop),
    ]
