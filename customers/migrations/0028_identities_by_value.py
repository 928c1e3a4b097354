"""Identities are found by their value first: nearly all are of one kind."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0027_consents_are_held")]

    operations = [
        migrations.RemoveConstraint(model_name="identity", name="identity_unique"),
        migrations.AddConstraint(
            model_name="identity",
            constraint=models.UniqueConstraint(fields=("value", "kind"), name="identity_unique"),
        ),
    ]
