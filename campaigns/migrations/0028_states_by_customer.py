from django.db import migrations

TABLE = "campaigns_triggerstate"
KEY = f"ALTER TABLE {TABLE} ADD CONSTRAINT {TABLE}_pkey PRIMARY KEY"
INDEX = f"{TABLE}_customer_id_9eaa070a"


def replace(schema_editor, *made):
    if schema_editor.connection.vendor != "postgresql":
        return
    for statement in (f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey", *made):
        schema_editor.execute(statement)


def forwards(apps, schema_editor):
    """Let the key begin with the customer: then it finds her states, too, and is the only index that does."""
    replace(schema_editor, f"{KEY} (customer_id, campaign_id)", f"DROP INDEX {INDEX}")


def backwards(apps, schema_editor):
    replace(schema_editor, f"{KEY} (campaign_id, customer_id)", f"CREATE INDEX {INDEX} ON {TABLE} (customer_id)")


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0027_decisions_by_ranges_of_time")]

    operations = [migrations.RunPython(forwards, backwards)]
