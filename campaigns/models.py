"""What we do about it: campaigns, decisions, deliveries, offers, call tasks, and the cycle that drives them."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Max, Q

from customers.models import Channel, Customer, new_public_id
from scoring.models import ModelVersion, ScoreRun
from segments.models import Segment

SHARE = [MinValueValidator(0.0), MaxValueValidator(0.9)]


class Programme(models.Model):
    """What holds over all campaigns. There is one row."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    holdout_share = models.FloatField(default=0.05, validators=SHARE, help_text="Left alone by all campaigns.")
    cap_messages = models.IntegerField(default=2, validators=[MinValueValidator(1)])
    cap_days = models.IntegerField(default=7, validators=[MinValueValidator(1)])
    is_sending_stopped = models.BooleanField(default=False, help_text="Nothing is sent while this is on.")
    company = models.CharField(max_length=120, default="Our shop")
    sender = models.CharField(max_length=254, default="Our shop <hello@example.test>")
    postal_address = models.CharField(max_length=300, default="1 Example Street, Exampletown")

    class Meta:
        verbose_name_plural = "programme"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="programme_is_single")]

    def __str__(self) -> str:
        return "Programme"


class Offer(models.Model):
    """A code that is worth something for a time."""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    value = models.FloatField(validators=[MinValueValidator(0.0)], help_text="In the shop's currency, or in percent.")
    is_percent = models.BooleanField(default=False)
    valid_days = models.IntegerField(default=14, validators=[MinValueValidator(1)])
    terms = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class Campaign(models.Model):
    """A standing plan: who, when, what, limits, and how it is measured.

    `trigger` and `steps` are parsed by campaigns.triggers and campaigns.steps; the forms are described there.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        LIVE = "live", "Live"
        PAUSED = "paused", "Paused"
        STOPPED = "stopped", "Stopped"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=20, choices=State.choices, default=State.DRAFT)
    trigger = models.JSONField(default=dict)
    steps = models.JSONField(default=list)
    version = models.IntegerField(default=1, editable=False)
    audience = models.ForeignKey(
        Segment, null=True, blank=True, on_delete=models.PROTECT, help_text="Only members of this segment are eligible."
    )
    watched = models.ForeignKey(
        Segment,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The segment whose edge triggers it, from launch to stop: it can be neither deleted nor renamed.",
    )
    topic = models.CharField(max_length=60, default="newsletter", help_text="The consent that its messages need.")
    control_share = models.FloatField(default=0.10, validators=SHARE)
    cooldown_days = models.IntegerField(default=30, validators=[MinValueValidator(0)])
    priority = models.IntegerField(default=100, help_text="Lower goes first.")
    fires_on_import = models.BooleanField(default=False, help_text="Imported events may trigger it.")
    fires_on_start = models.BooleanField(
        default=False, editable=False, help_text="Its first look also fires for those who match already."
    )
    goal_event = models.CharField(max_length=120, default="Order Completed")
    goal_days = models.IntegerField(default=14, validators=[MinValueValidator(1)])
    created_at = models.DateTimeField()
    launched_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class TriggerState(models.Model):
    """Whether a customer is inside a campaign's line, since when, and how often the edge was crossed."""

    pk = models.CompositePrimaryKey("campaign_id", "customer_id")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    bucket = models.SmallIntegerField()
    is_inside = models.BooleanField()
    since = models.DateTimeField()
    as_of = models.DateTimeField()
    round = models.IntegerField(default=0, help_text="The number of the last edge that fired.")
    fired_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["bucket", "campaign", "customer"], name="trigger_state_bucket")]

    def __str__(self) -> str:
        return f"customer {self.customer_id} {'inside' if self.is_inside else 'outside'}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Count the edges of both, and rest from the last of either; inside is who the kept one is."""
        states = {state.campaign_id: state for state in TriggerState.objects.filter(customer=kept)}
        for theirs in TriggerState.objects.filter(customer=gone):
            new = TriggerState(campaign=theirs.campaign, customer=kept, bucket=kept.bucket, is_inside=False)
            new.since, new.as_of = theirs.since, theirs.as_of
            mine = states.get(theirs.campaign_id, new)
            mine.round += theirs.round
            mine.fired_at = max((at for at in (mine.fired_at, theirs.fired_at) if at), default=None)
            mine.save()
        cls.objects.filter(customer=gone).delete()


class TriggerBaseline(models.Model):
    """With which versions the trigger states of one campaign in one bucket were last computed for the whole bucket."""

    pk = models.CompositePrimaryKey("campaign_id", "bucket")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="baselines")
    bucket = models.SmallIntegerField()
    campaign_version = models.IntegerField()
    rule_versions = models.JSONField(default=dict, help_text="Segment keys and the versions of their rules.")
    model_versions = models.JSONField(default=dict, help_text="Target keys and the ids of their model versions.")
    as_of = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.campaign_id} bucket {self.bucket} as of {self.as_of:%Y-%m-%d %H:%M}"


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

    key = models.SlugField(max_length=60, unique=True)
    every_seconds = models.IntegerField(validators=[MinValueValidator(1)])
    is_enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, editable=False, help_text="How long the last one took.")
    error = models.TextField(blank=True, editable=False, help_text="Why the last one failed.")

    def __str__(self) -> str:
        return self.key


class Decision(models.Model):
    """What was decided about one customer, and why. Unique by campaign, customer and round."""

    class Outcome(models.TextChoices):
        DELIVER = "deliver", "Deliver"
        HELD_OUT = "held_out", "Held out"
        CONTROL = "control", "Control"
        SUPPRESSED = "suppressed", "Suppressed"
        CAPPED = "capped", "Capped"
        OVER_BUDGET = "over_budget", "Over budget"
        DEFERRED = "deferred", "Deferred"
        INELIGIBLE = "ineligible", "Ineligible"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="decisions")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="decisions")
    round = models.IntegerField()
    bucket = models.SmallIntegerField()
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    reason = models.CharField(max_length=300)
    cause = models.CharField(max_length=20)
    as_of = models.DateTimeField()
    due_at = models.DateTimeField()
    campaign_version = models.IntegerField()
    rule_version = models.IntegerField(null=True)
    model_version = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT)
    score = models.FloatField(null=True)
    arm = models.CharField(max_length=20, help_text="holdout, control or treated: what the hash drew.")
    draw = models.FloatField(help_text="The random number in [0, 1) that drew the arm.")
    probability = models.FloatField(help_text="The chance of the arm that was drawn.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "customer", "round"], name="decision_once"),
            models.CheckConstraint(condition=Q(draw__gte=0) & Q(draw__lt=1), name="decision_draw_in_unit"),
            models.CheckConstraint(
                condition=Q(probability__gt=0) & Q(probability__lte=1), name="decision_probability_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "outcome"], name="decision_outcome"),
            models.Index(fields=["customer", "-as_of"], name="decision_customer"),
            models.Index(fields=["bucket", "as_of"], name="decision_as_of"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.reason}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Number the edges of the one who goes after those of the kept one."""
        last = cls.objects.filter(customer=kept).order_by().values("campaign").annotate(last=Max("round"))
        rounds = dict(last.values_list("campaign", "last"))
        theirs = cls.objects.filter(customer=gone)
        for campaign in theirs.order_by().values_list("campaign", flat=True).distinct():
            number = F("round") + rounds.get(campaign, 0)
            theirs.filter(campaign=campaign).update(customer=kept, bucket=kept.bucket, round=number)


class Delivery(models.Model):
    """One step of one decision on its way through a channel, by the send protocol."""

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        CLAIMED = "claimed", "Claimed"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        UNCERTAIN = "uncertain", "Uncertain"
        CANCELLED = "cancelled", "Cancelled"

    class Action(models.TextChoices):
        EMAIL = "email", "E-mail"
        OFFER = "offer", "Offer by e-mail"
        CALL = "call", "Call task"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="deliveries")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="deliveries")
    step = models.SmallIntegerField(default=0)
    action = models.CharField(max_length=20, choices=Action.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PLANNED)
    due_at = models.DateTimeField()
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    began_at = models.DateTimeField(null=True, help_text="When `sending` was committed; the caps count from here.")
    ended_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    is_told = models.BooleanField(default=False, editable=False, help_text="Its events are in the customer's history.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["decision", "step"], name="delivery_once")]
        indexes = [
            models.Index(fields=["state", "due_at"], name="delivery_due"),
            models.Index(
                fields=["id"], name="delivery_untold", condition=Q(state="sent", channel="email", is_told=False)
            ),
            models.Index(fields=["customer", "began_at"], name="delivery_caps"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.state}"


class DeliveryAttempt(models.Model):
    """One call of the channel, and its answer."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.IntegerField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=20, blank=True)
    receipt = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.result}"


class OfferCode(models.Model):
    """One customer's code."""

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        GIVEN = "given", "Given"
        REDEEMED = "redeemed", "Redeemed"
        RELEASED = "released", "Released"

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="codes")
    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="offer_code")
    code = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.RESERVED)
    valid_until = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.code


class CallTask(models.Model):
    """A call for an agent to make, and what came of it."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"

    class Outcome(models.TextChoices):
        REACHED = "reached", "Reached"
        NO_ANSWER = "no_answer", "No answer"
        CALL_BACK = "call_back", "Call back"
        REFUSED = "refused", "Refused"
        DO_NOT_CALL = "do_not_call", "Do not call again"

    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="call_task")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="call_tasks")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    title = models.CharField(max_length=200)
    talking_points = models.TextField(blank=True)
    reasons = models.JSONField(default=list)
    expected_gain = models.FloatField(null=True)
    due_at = models.DateTimeField()
    agent = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    claimed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "due_at"], name="call_task_queue")]
        constraints = [
            models.CheckConstraint(condition=~Q(state="done") | ~Q(outcome=""), name="call_task_done_has_outcome")
        ]

    def __str__(self) -> str:
        return self.title
