"""Keys of new customers that PostgreSQL checked row by row are held by who writes them: they took a quarter of an import."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0021_feeds")]

    operations = [
        migrations.AlterField(
            model_name="consent",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="consents",
                to="customers.customer",
            ),
        ),
        migrations.AlterField(
            model_name="customer",
            name="told_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                editable=False,
                help_text="The last import that brought this customer, or changed an address or a permission.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="customers.import",
            ),
        ),
        migrations.AlterField(
            model_name="identity",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="identities",
                to="customers.customer",
            ),
        ),
    ]
