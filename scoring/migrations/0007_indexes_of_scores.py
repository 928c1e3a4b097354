from django.db import migrations

KEY = "ALTER TABLE scoring_score ADD CONSTRAINT scoring_score_pkey PRIMARY KEY"
BY_VALUE = "CREATE INDEX score_by_value ON scoring_score"
NEW = (f"{KEY} (customer_id, run_id, target_id)", f"{BY_VALUE} (value DESC)")
OLD = (f"{KEY} (run_id, customer_id, target_id)", f"{BY_VALUE} (run_id, target_id, value DESC)")


def replace(schema_editor, made):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("ALTER TABLE scoring_score DROP CONSTRAINT scoring_score_pkey")
    schema_editor.execute("DROP INDEX score_by_value")
    for statement in made:
        schema_editor.execute(statement)


def forwards(apps, schema_editor):
    """Sort by what differs first. A run that was begun has no parts: another is begun in its place."""
    apps.get_model("scoring", "ScoreRun").objects.filter(state="running").update(inputs="")
    replace(schema_editor, NEW)


def backwards(apps, schema_editor):
    replace(schema_editor, OLD)


class Migration(migrations.Migration):
    dependencies = [("scoring", "0006_band_changes_unchecked")]

    operations = [migrations.RunPython(forwards, backwards)]
