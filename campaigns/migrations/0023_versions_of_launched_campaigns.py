"""Campaigns that were launched before versions were kept begin with their present one, and their triggers stand."""

from django.db import migrations, models

CHUNK = 200
CHANGED = ["As it was when versions were first kept."]
FIELDS = (
    "name",
    "trigger",
    "steps",
    "variants",
    "split",
    "winner",
    "winner_metric",
    "chosen_variant",
    "topic",
    "control_share",
    "pilot_share",
    "entry",
    "cooldown_days",
    "lateness_hours",
    "when_limited",
    "delay_hours",
    "priority",
    "budget",
    "message_cost",
    "most_a_day",
    "value",
    "margin",
    "fires_on_import",
    "goal_event",
    "goal_days",
    "planned_customers",
)


def begin(apps, _schema_editor):
    """Store the present version of everything that was launched."""
    campaigns = apps.get_model("campaigns", "Campaign").objects
    versions = apps.get_model("campaigns", "CampaignVersion").objects
    campaigns.update(trigger_version=models.F("version"))
    launched = campaigns.exclude(state="draft").filter(versions=None).select_related("audience")
    versions.bulk_create((_version(versions.model, one) for one in launched.iterator(CHUNK)), batch_size=CHUNK)


def _version(model, campaign):
    told = {name: getattr(campaign, name) for name in FIELDS}
    told["audience"] = campaign.audience.key if campaign.audience else None
    at = campaign.launched_at or campaign.created_at
    return model(campaign=campaign, number=campaign.version, plan=told, changed=CHANGED, by="", at=at)


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0022_who_changed_a_plan")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
