"""Other programs that are told what happens here, and each message to them."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from campaigns.models.decisions import Delivery
from customers.models import Channel, new_public_id


class Webhook(models.Model):
    """One address of another program, what it wants to hear of, and the secrets that its messages are signed with."""

    class State(models.TextChoices):
        LIVE = "live", "Live"
        DISABLED = "disabled", "Disabled"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    url = models.URLField(max_length=500)
    types = models.JSONField(default=list, blank=True, help_text="The kinds of notices that it gets.")
    segments = models.JSONField(default=list, blank=True, help_text="Keys of segments; empty: of all.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.LIVE)
    secret = models.CharField(max_length=100, editable=False)
    old_secret = models.CharField(max_length=100, blank=True, editable=False, help_text="Signs too, for a time.")
    old_until = models.DateTimeField(null=True, editable=False)
    per_minute = models.IntegerField(default=600, validators=[MinValueValidator(1)])
    failing_since = models.DateTimeField(null=True, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False, help_text="It asked for rest until then.")
    disabled_why = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class WebhookMessage(models.Model):
    """One message to one address, until it is taken or given up. Its public id is the header webhook-id."""

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        CLAIMED = "claimed", "Claimed"
        TAKEN = "taken", "Taken"
        FAILED = "failed", "Given up"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="messages", db_index=False)
    type = models.CharField(max_length=60)
    body = models.TextField()
    delivery = models.OneToOneField(
        Delivery, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_message"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["webhook", "due_at"], name="webhook_message_due", condition=Q(state="planned")),
            models.Index(fields=["lease_until"], name="webhook_message_lease", condition=Q(state="claimed")),
            models.Index(fields=["webhook", "id"], name="webhook_message_last"),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.webhook_id}"


class WebhookAttempt(models.Model):
    """One call of the address, and its answer: the first bytes of it, or why there was none."""

    message = models.ForeignKey(WebhookMessage, on_delete=models.CASCADE, related_name="tries")
    number = models.IntegerField()
    at = models.DateTimeField()
    seconds = models.FloatField(default=0.0)
    status = models.IntegerField(null=True)
    answer = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="webhook_attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.status}"


class Gateway(models.Model):
    """Which webhook carries a channel that we cannot speak ourselves."""

    channel = models.CharField(max_length=10, choices=Channel.choices, unique=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="gateways")

    def __str__(self) -> str:
        return f"{self.channel} by {self.webhook}"
