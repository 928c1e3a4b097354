import customers.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0016_each_import_gets_an_id_for_others")]
    operations = [
        migrations.AlterField(
            model_name="import",
            name="public_id",
            field=models.CharField(default=customers.models.new_public_id, editable=False, max_length=32, unique=True),
        ),
    ]
