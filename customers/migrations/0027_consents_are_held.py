"""Who writes a consent holds the customer: the key that PostgreSQL checked row by row took a tenth of an import."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0026_fewer_indexes_of_customers")]

    operations = [
        migrations.AlterField(
            model_name="consentchange",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="consent_changes",
                to="customers.customer",
            ),
        ),
    ]
