from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0014_imports_wait_for_a_worker")]
    operations = [
        migrations.AddField(
            model_name="import",
            name="public_id",
            field=models.CharField(editable=False, max_length=32, null=True),
        ),
    ]
