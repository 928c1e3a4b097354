import django.contrib.postgres.indexes
from django.db import migrations


def summarize(apps, schema_editor):
    """Let PostgreSQL note the times of pages as they fill, not only when it tidies the table up."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER INDEX decision_as_of SET (autosummarize = on)")


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0026_states_by_campaign_and_bucket")]

    operations = [
        migrations.RemoveConstraint(model_name="decision", name="decision_public_id"),
        migrations.RemoveIndex(model_name="decision", name="decision_as_of"),
        migrations.AddIndex(
            model_name="decision",
            index=django.contrib.postgres.indexes.BrinIndex(fields=["as_of"], name="decision_as_of"),
        ),
        migrations.RunPython(summarize, migrations.RunPython.noop),
    ]
