"""External ids have one index that finds whole ids and how they begin, not one for each."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0022_fewer_checks_of_customers")]

    operations = [
        migrations.AlterField(model_name="customer", name="external_id", field=models.CharField(max_length=200)),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.UniqueConstraint(
                fields=("external_id",), name="customer_external_id_unique", opclasses=["varchar_pattern_ops"]
            ),
        ),
    ]
