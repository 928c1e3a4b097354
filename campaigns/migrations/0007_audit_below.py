"""The audit entries belong to customers, so that every app can write one: the table and its permissions move along."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def _belong_to(app: str, before: str):
    def move(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        types = apps.get_model('contenttypes', 'ContentType').objects
        types.filter(app_label=before, model='auditentry').update(app_label=app)

    return move


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0006_campaigns_are_named'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.AlterModelTable('auditentry', 'customers_auditentry')],
            state_operations=[migrations.DeleteModel('AuditEntry')],
        ),
        migrations.RunPython(_belong_to('customers', 'campaigns'), _belong_to('campaigns', 'customers')),
    ]
