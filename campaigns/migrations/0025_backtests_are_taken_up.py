"""What a back-test remembers of the days that are done, so that another worker can go on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0024_reports_are_summed")]

    operations = [
        migrations.AddField(
            "backtest",
            "working",
            models.BinaryField(
                help_text="What is remembered of the days that are done; gone once it has ended.", null=True
            ),
        ),
    ]
