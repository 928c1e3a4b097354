from django.db import migrations, models
import django.core.validators
import django.db.models.deletion


def forget_runs(apps, schema_editor):
    """Scores are derived: the next cycle writes them again, in the new form."""
    apps.get_model("scoring", "Score").objects.all().delete()
    apps.get_model("scoring", "ScoreRun").objects.update(state="old")


def partition(apps, schema_editor):
    """Give every run a table of its own on PostgreSQL. The model's index is made after this, on the new table."""
    if schema_editor.connection.vendor != "postgresql":
        return
    for statement in (
        "ALTER TABLE scoring_score RENAME TO scoring_score_plain",
        "CREATE TABLE scoring_score (LIKE scoring_score_plain INCLUDING DEFAULTS) PARTITION BY LIST (run_id)",
        "DROP TABLE scoring_score_plain",
        "ALTER TABLE scoring_score ADD CONSTRAINT scoring_score_pkey PRIMARY KEY (run_id, customer_id, target_id)",
        "CREATE TABLE scoring_score_default PARTITION OF scoring_score DEFAULT",
    ):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("customers", "0002_tombstones"), ("scoring", "0001_initial")]

    operations = [
        migrations.RunPython(forget_runs, migrations.RunPython.noop),
        migrations.DeleteModel(name="Score"),
        migrations.RemoveField(model_name="scorerun", name="cuts"),
        migrations.AddField(
            model_name="scorerun",
            name="versions",
            field=models.JSONField(default=dict, help_text="The model version of each target, by their ids."),
        ),
        migrations.AddField(
            model_name="scorerun",
            name="scored_at",
            field=models.JSONField(default=dict, help_text="The as-of time of each target's scores, by its id."),
        ),
        migrations.AddField(
            model_name="target",
            name="rescore_hours",
            field=models.IntegerField(
                default=0,
                validators=[django.core.validators.MinValueValidator(0)],
                help_text="0 is every full cycle. Customers who are new are scored by every cycle.",
                verbose_name="rescored every so many hours",
            ),
        ),
        migrations.CreateModel(
            name='ScoredBucket',
            fields=[
                ('pk', models.CompositePrimaryKey('run_id', 'bucket', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.SmallIntegerField()),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='buckets', to='scoring.scorerun')),
            ],
        ),
        migrations.CreateModel(
            name='Ranking',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('customers', models.IntegerField()),
                ('ordered', models.BinaryField(help_text='Millionths from the lowest up: the first, then the steps; packed.')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rankings', to='scoring.scorerun')),
                ('target', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='scoring.target')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('run', 'target'), name='ranking_unique')],
            },
        ),
        migrations.CreateModel(
            name='Score',
            fields=[
                ('pk', models.CompositePrimaryKey('run_id', 'customer_id', 'target_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.SmallIntegerField()),
                ('as_of', models.DateTimeField()),
                ('value', models.FloatField()),
                ('customer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='scores', to='customers.customer')),
                ('run', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='scoring.scorerun')),
                ('target', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='scoring.target')),
                ('version', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='scoring.modelversion')),
            ],
            options={
                'indexes': [models.Index(fields=['run', 'target', '-value'], name='score_by_value')],
            },
        ),
        migrations.RunPython(partition, migrations.RunPython.noop),
    ]
