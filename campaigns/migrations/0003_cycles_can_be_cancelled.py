from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0002_fires_on_start'),
    ]

    operations = [
        migrations.AlterField(
            model_name='cycle',
            name='state',
            field=models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='running', max_length=10),
        ),
    ]
