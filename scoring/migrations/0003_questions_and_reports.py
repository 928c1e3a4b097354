import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('scoring', '0002_scores_in_place'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='target',
            name='target_is_whole',
        ),
        migrations.AddField(
            model_name='modelversion',
            name='is_baseline',
            field=models.BooleanField(default=False, help_text='A simple rule, kept because no model beats it.'),
        ),
        migrations.AddField(
            model_name='modelversion',
            name='live_since',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='modelversion',
            name='report',
            field=models.JSONField(default=dict, help_text='What training saw and did: see scoring.report.Report.'),
        ),
        migrations.AddField(
            model_name='modelversion',
            name='retired_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='target',
            name='contact_cost',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(0.0)]),
        ),
        migrations.AddField(
            model_name='target',
            name='excluded',
            field=models.JSONField(blank=True, default=list, help_text='Fields that no model of it may read.'),
        ),
        migrations.AddField(
            model_name='target',
            name='offer_cost',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(0.0)]),
        ),
        migrations.AddField(
            model_name='target',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='target',
            name='question',
            field=models.SlugField(blank=True, help_text='The ready question it was made from, if any.', max_length=40),
        ),
        migrations.AddField(
            model_name='target',
            name='retrain_days',
            field=models.IntegerField(default=30, help_text='0 is never.', validators=[django.core.validators.MinValueValidator(0)], verbose_name='trained again every so many days'),
        ),
        migrations.AddField(
            model_name='target',
            name='save_rate',
            field=models.FloatField(blank=True, help_text='Of those contacted in vain otherwise, the share that is won; measured where campaigns tell it.', null=True, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)]),
        ),
        migrations.AddField(
            model_name='target',
            name='value',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(0.0)]),
        ),
        migrations.AddField(
            model_name='target',
            name='vouched',
            field=models.JSONField(blank=True, default=list, help_text='Fields that are known in time: never blocked.'),
        ),
        migrations.AddField(
            model_name='target',
            name='where',
            field=models.JSONField(blank=True, default=list, help_text='Only such events: [{"field", "value"}, ...].'),
        ),
        migrations.AddField(
            model_name='target',
            name='who',
            field=models.JSONField(blank=True, default=list, help_text='Whom it speaks of, all of: {"did", "days"}, {"attribute", "equals"}, {"below_spend_percentile"}. None: who did the event in the year before, or who has the attribute.'),
        ),
        migrations.AlterField(
            model_name='modelversion',
            name='reason',
            field=models.CharField(blank=True, help_text='Why it is live, or why it is not.', max_length=600),
        ),
        migrations.AlterField(
            model_name='target',
            name='attribute',
            field=models.CharField(blank=True, help_text="The attribute's name, where one is foreseen.", max_length=100),
        ),
        migrations.AlterField(
            model_name='target',
            name='event',
            field=models.CharField(blank=True, help_text="The event's name, where an event is foreseen.", max_length=120),
        ),
        migrations.AlterField(
            model_name='target',
            name='kind',
            field=models.CharField(choices=[('event', 'Does something within a time'), ('no_event', 'Does not do something within a time'), ('attribute', 'An attribute has a value'), ('becomes', 'An attribute becomes a value within a time'), ('high_value', 'Becomes one of the best customers within a time'), ('spend', 'How much is spent within a time'), ('next', 'How many days until it happens next')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='target',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'attribute'), models.Q(('attribute', ''), _negated=True), models.Q(('equals', ''), _negated=True)), models.Q(('kind', 'becomes'), models.Q(('attribute', ''), _negated=True), models.Q(('equals', ''), _negated=True), ('horizon_days__gte', 1)), models.Q(models.Q(('kind__in', ['attribute', 'becomes']), _negated=True), models.Q(('event', ''), _negated=True), ('horizon_days__gte', 1)), _connector='OR'), name='target_is_whole'),
        ),
    ]
