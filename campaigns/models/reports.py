"""What reports are made from: sums over the customers who were assigned, kept so that a page need not count anew."""

from django.db import models

from campaigns.models.plans import Campaign


class ReportState(models.Model):
    """As of when the sums of one campaign, or of the programme, are, and what they were counted by."""

    key = models.CharField(max_length=40, unique=True, help_text="The id of the campaign, or programme.")
    campaign = models.OneToOneField(Campaign, null=True, on_delete=models.CASCADE, related_name="report_state")
    as_of = models.DateTimeField()
    whole_at = models.DateTimeField(help_text="When all days were last counted anew.")
    counted_by = models.JSONField(help_text="Goal, margin and cost; others need other sums.")
    seen_xact = models.BigIntegerField(default=0, help_text="The newest event there was, in the order of commits,")
    seen_id = models.BigIntegerField(default=0)
    before_xact = models.BigIntegerField(default=0, help_text="and the one at the count before.")
    before_id = models.BigIntegerField(default=0)
    gone = models.IntegerField(default=0, help_text="How many customers had been erased or merged.")
    outcomes = models.JSONField(default=dict)
    deliveries = models.JSONField(default=dict)
    reasons = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.key} as of {self.as_of:%Y-%m-%d %H:%M}"


class ReportSum(models.Model):
    """Sums over customers of one day of first decisions who were assigned alike, with the same probability.

    Squares and products are of one customer's figures: variances and covariances follow from them.
    """

    state = models.ForeignKey(ReportState, on_delete=models.CASCADE, related_name="sums")
    day = models.DateField(help_text="Of the first decision, in UTC.")
    version = models.IntegerField()
    arm = models.CharField(max_length=20)
    variant = models.CharField(max_length=20, blank=True)
    probability = models.FloatField()
    part = models.CharField(max_length=60, blank=True, help_text="Band of the score; of the programme, contacts.")
    customers = models.IntegerField()
    converted = models.IntegerField()
    did_before = models.IntegerField(help_text="Who did it in as many days before the decision.")
    did_both = models.IntegerField()
    value = models.FloatField()
    value_squares = models.FloatField()
    before = models.FloatField(help_text="Value in as many days before the decision.")
    before_squares = models.FloatField()
    value_before = models.FloatField(help_text="Products of value and before.")
    margin = models.FloatField(help_text="Margin on the value, less costs.")
    margin_squares = models.FloatField()
    margin_before = models.FloatField()
    cost = models.FloatField()
    messages = models.IntegerField()
    eligible = models.IntegerField()
    delivered = models.IntegerField()
    clicked = models.IntegerField()
    delivered_and_converted = models.IntegerField()
    unsubscribed = models.IntegerField()
    complained = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["state", "day", "version", "arm", "variant", "probability", "part"], name="report_sum_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.arm} {self.variant} {self.day}"


class ReportTag(models.Model):
    """How many customers of one day of first decisions clicked a link of a content tag, and converted."""

    state = models.ForeignKey(ReportState, on_delete=models.CASCADE, related_name="tags")
    day = models.DateField()
    tag = models.CharField(max_length=60)
    clicked = models.IntegerField()
    converted = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["state", "day", "tag"], name="report_tag_once")]

    def __str__(self) -> str:
        return f"{self.tag} {self.day}"
