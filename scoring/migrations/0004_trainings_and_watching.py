import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('scoring', '0003_questions_and_reports'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='modelversion',
            name='before',
            field=models.ForeignKey(blank=True, help_text='The version that it replaced: what rolling back returns to.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='scoring.modelversion'),
        ),
        migrations.CreateModel(
            name='Backtest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('who', models.CharField(choices=[('everybody', 'Everybody'), ('left_alone', 'Whom we left alone')], max_length=10)),
                ('as_of', models.DateTimeField(help_text='When the scores were given.')),
                ('judged_at', models.DateTimeField()),
                ('customers', models.IntegerField()),
                ('positives', models.IntegerField()),
                ('figures', models.JSONField(default=dict, help_text='{"auc": {"value", "low", "high"}, ..., "foreseen", "happened"}')),
                ('curves', models.JSONField(default=dict, help_text='As those of an evaluation.')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backtests', to='scoring.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('version', 'who', 'as_of'), name='backtest_unique')],
            },
        ),
        migrations.CreateModel(
            name='Drift',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(help_text='In UTC: one row a day.')),
                ('as_of', models.DateTimeField()),
                ('figures', models.JSONField(default=dict, help_text='{"customers", "fields": {name: {"psi", "line"}}, "drifted": [name, ...]}')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drifts', to='scoring.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('version', 'day'), name='drift_unique')],
            },
        ),
        migrations.CreateModel(
            name='ScoredSnapshot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(help_text='In UTC: of a day, the newest snapshot is kept.')),
                ('as_of', models.DateTimeField()),
                ('due_at', models.DateTimeField(db_index=True)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='scoring.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('version', 'day'), name='scored_snapshot_unique')],
            },
        ),
        migrations.CreateModel(
            name='TrainingRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('as_of', models.DateTimeField(help_text='Nothing known later is used.')),
                ('seed', models.BigIntegerField(default=0)),
                ('is_scheduled', models.BooleanField(default=False, help_text="Due by the target's days, asked for by nobody.")),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('refused', 'Refused'), ('failed', 'Failed')], default='waiting', max_length=10)),
                ('stage', models.CharField(blank=True, max_length=80)),
                ('portion', models.FloatField(default=0.0, help_text='Of the whole training, 0 to 1.')),
                ('sentence', models.CharField(blank=True, help_text='What came of it.', max_length=600)),
                ('token', models.CharField(blank=True, editable=False, max_length=32)),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('attempts', models.IntegerField(default=0)),
                ('asked_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('target', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='training_runs', to='scoring.target')),
                ('version', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='scoring.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'running'])), fields=('target',), name='training_run_one_open')],
            },
        ),
    ]
