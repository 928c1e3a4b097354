"""Calls for agents to make, and what came of each."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from campaigns.models.decisions import Delivery
from campaigns.models.plans import Campaign
from customers.models import Customer, new_public_id


class CallTask(models.Model):
    """A call for an agent to make, and what came of it."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    class Outcome(models.TextChoices):
        REACHED = "reached", "Reached"
        NO_ANSWER = "no_answer", "No answer"
        CALL_BACK = "call_back", "Call back"
        REFUSED = "refused", "Refused"
        DO_NOT_CALL = "do_not_call", "Do not call again"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="call_task")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="call_tasks")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="call_tasks")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    title = models.CharField(max_length=200)
    talking_points = models.TextField(blank=True)
    reasons = models.JSONField(default=list)
    expected_gain = models.FloatField(null=True, help_text="An estimate: chance x value x save rate - cost.")
    tries = models.IntegerField(default=0)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Nobody calls after it.")
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="call_tasks"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A claim that nobody keeps up ends then.")
    ended_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["-expected_gain", "due_at"], name="call_task_best", condition=Q(state="open")),
            models.Index(fields=["lease_until"], name="call_task_lease", condition=Q(state="claimed")),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(state="done") | ~Q(outcome=""), name="call_task_done_has_outcome")
        ]

    def __str__(self) -> str:
        return self.title


class Call(models.Model):
    """One call that was made for a task, and what came of it."""

    task = models.ForeignKey(CallTask, on_delete=models.CASCADE, related_name="calls")
    number = models.IntegerField()
    agent = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    seconds = models.IntegerField(null=True, help_text="From the claim to the outcome.")
    outcome = models.CharField(max_length=20, choices=CallTask.Outcome.choices)
    call_again_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="call_once")]
        indexes = [models.Index(fields=["agent", "at"], name="call_by_agent")]

    def __str__(self) -> str:
        return f"call {self.number}: {self.outcome}"


class Agent(models.Model):
    """How much one agent takes: a user who works the call queue. Nobody without a row is limited."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="agent")
    calls_a_day = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    at_once = models.IntegerField(default=1, validators=[MinValueValidator(1)], help_text="Claimed at the same time.")

    def __str__(self) -> str:
        return str(self.user)
