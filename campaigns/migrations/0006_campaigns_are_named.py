"""Campaigns that were launched before are noted where rules find them."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def name(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    names = apps.get_model('customers', 'CampaignName').objects
    launched = apps.get_model('campaigns', 'Campaign').objects.exclude(launched_at=None)
    for key in launched.values_list('key', flat=True):
        names.get_or_create(key=key)


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0005_pieces_of_several_buckets'),
        ('customers', '0006_campaigns_by_key'),
    ]

    operations = [migrations.RunPython(name, migrations.RunPython.noop)]
