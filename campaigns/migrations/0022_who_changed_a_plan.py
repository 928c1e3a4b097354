"""Who changed a plan last, since which version its trigger stands, and with which version a message went out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0021_winners_are_chosen")]

    operations = [
        migrations.AddField(
            "campaign",
            "trigger_version",
            models.IntegerField(
                default=1,
                editable=False,
                help_text="The version that changed its trigger last: states are set anew with it.",
            ),
        ),
        migrations.AddField(
            "campaign",
            "edited_by",
            models.CharField(blank=True, editable=False, help_text="Who changed the plan last.", max_length=150),
        ),
        migrations.AddField(
            "approval",
            "changes",
            models.JSONField(default=dict, help_text="What is to be changed of a live plan; empty: nothing."),
        ),
        migrations.AddField(
            "deliveryattempt",
            "campaign_version",
            models.IntegerField(help_text="The version whose words it says.", null=True),
        ),
    ]
