from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0003_cycles_can_be_cancelled'),
    ]

    operations = [
        migrations.AddField(
            model_name='schedule',
            name='seconds',
            field=models.FloatField(editable=False, help_text='How long the last one took.', null=True),
        ),
        migrations.AddField(
            model_name='schedule',
            name='error',
            field=models.TextField(blank=True, editable=False, help_text='Why the last one failed.'),
        ),
    ]
