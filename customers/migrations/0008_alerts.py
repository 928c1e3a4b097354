from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0007_audit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(help_text="What it is about: one row a cause.", max_length=120, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("drift", "Customers have changed"),
                            ("level", "Too many or too few foreseen"),
                            ("performance", "A model sorts worse than it did"),
                            ("training", "Training refused or failed"),
                            ("artefact", "A model's file cannot be read"),
                            ("baseline", "Only a simple rule foresees it"),
                            ("segment", "A segment is paused"),
                            ("cycle", "A cycle left customers out"),
                        ],
                        max_length=20,
                    ),
                ),
                ("sentence", models.CharField(max_length=600)),
                ("link", models.CharField(blank=True, help_text="The page where it can be mended.", max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("snoozed", "Snoozed"), ("done", "Done")],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("snoozed_until", models.DateTimeField(blank=True, null=True)),
                ("first_at", models.DateTimeField(help_text="When its cause was first seen, this time.")),
                ("last_at", models.DateTimeField(help_text="When its cause was last seen, or gone.")),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["state", "-last_at"], name="alert_inbox")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("snoozed_until__isnull", False), ("state", "snoozed")),
                            models.Q(models.Q(("state", "snoozed"), _negated=True), ("snoozed_until__isnull", True)),
                            _connector="OR",
                        ),
                        name="alert_snoozed_until",
                    )
                ],
            },
        ),
    ]
