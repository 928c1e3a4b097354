"""Turns of the loop, their pieces of work, and what happens again and again."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from scoring.models import ScoreRun


class Cycle(models.Model):
    """One turn of the loop."""

    class Kind(models.TextChoices):
        FULL = "full", "Full"
        SMALL = "small", "Small"

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Stage(models.TextChoices):
        SYNC = "sync", "Reading new events"
        SCORE = "score", "Features and scores"
        RANK = "rank", "Ranking"
        REFRESH = "refresh", "Segments and decisions"
        COUNT = "count", "Counting members"
        ALLOCATE = "allocate", "Sharing out budgets"
        DELIVER = "deliver", "Delivering"
        DONE = "done", "Done"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.SYNC)
    as_of = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    portion = models.SmallIntegerField(default=1, editable=False, help_text="Buckets that are worked on together.")
    run = models.ForeignKey(
        ScoreRun,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="None: nothing to score.",
    )
    marks = models.JSONField(
        null=True, editable=False, help_text="The last event and attribute change it read, in the order of commits."
    )
    summary = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(state="running"), name="cycle_one_running"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} cycle as of {self.as_of:%Y-%m-%d %H:%M}"


class CycleTask(models.Model):
    """One piece of a cycle's work: a row that any worker may claim. `bucket` is null for the short single steps."""

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="tasks")
    stage = models.CharField(max_length=10, choices=Cycle.Stage.choices)
    bucket = models.SmallIntegerField(default=-1, help_text="-1 for a step over all buckets.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    counts = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cycle", "stage", "bucket"], name="cycle_task_once"),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="cycle_task_due")]

    def __str__(self) -> str:
        return f"{self.stage} {self.bucket}"


class Schedule(models.Model):
    """Something that happens again and again, claimed by whoever ticks first."""

    class Key(models.TextChoices):
        FULL_CYCLE = "full-cycle", "Full cycle: everybody is rescored"
        SMALL_CYCLE = "small-cycle", "Small cycle: customers with news"
        DELIVER = "deliver", "Deliver what is due"
        RESUME = "resume", "Take up work that was lost"
        SWEEP = "sweep", "Give up messages that nobody ended"
        REWRITE_ERASED = "rewrite-erased", "Take the erased out of all files"
        TRAIN = "train", "Train what was asked for"
        WATCH = "watch", "Look after the models"
        SLOTS = "slots", "Act at the times that campaigns name"
        TOUCHES = "touches", "Tell people's clicks from machines'"
        BRAKES = "brakes", "Look after the sending"
        TELL = "tell", "Send alerts by e-mail"
        WEBHOOKS = "webhooks", "Tell other programs"
        CALLS = "calls", "Give abandoned calls back"
        CODES = "codes", "Release codes that lapsed"
        EXPERIMENTS = "experiments", "Compare the variants of campaigns"
        BACKTESTS = "backtests", "Act plans out on what was known"
        IMPORTS = "imports", "Store files that were uploaded"
        FEEDS = "feeds", "Look for files that come in by themselves"
        REPORTS = "reports", "Count what campaigns earned"

    key = models.SlugField(max_length=60, unique=True)
    every_seconds = models.IntegerField(validators=[MinValueValidator(1)])
    is_enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, editable=False, help_text="How long the last one took.")
    error = models.TextField(blank=True, editable=False, help_text="Why the last one failed.")

    def __str__(self) -> str:
        return self.key
