import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("customers", "0006_campaigns_by_key"),
        ('segments', '0003_kinds_pins_and_sizes'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='membershipchange',
            name='membership_change_once',
        ),
        migrations.AlterField(
            model_name='membershipchange',
            name='customer',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='membership_changes', to='customers.customer'),
        ),
        migrations.AddConstraint(
            model_name='membershipchange',
            constraint=models.UniqueConstraint(fields=('customer', 'segment', 'as_of'), name='membership_change_once'),
        ),
    ]
