"""What we mean to do: the programme over all campaigns, offers, and campaigns."""

from datetime import time

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from campaigns.models.contents import Asset
from customers.models import Channel, new_public_id
from segments.models import Segment

PART = [MinValueValidator(0.0), MaxValueValidator(1.0)]
SHARE = [MinValueValidator(0.0), MaxValueValidator(0.9)]
COLOUR = [RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour is written as #rrggbb.")]


class Programme(models.Model):
    """What holds over all campaigns. There is one row."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    holdout_share = models.FloatField(default=0.05, validators=SHARE, help_text="Left alone by all campaigns.")
    cap_messages = models.IntegerField(default=2, validators=[MinValueValidator(1)])
    cap_days = models.IntegerField(default=7, validators=[MinValueValidator(1)])
    is_sending_stopped = models.BooleanField(default=False, help_text="Nothing is sent while this is on.")
    stopped_why = models.CharField(max_length=300, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    place = models.CharField(
        max_length=200, blank=True, editable=False, help_text="Where this database lives: elsewhere, it was restored."
    )
    calling_from = models.TimeField(default=time(8), help_text="Nobody is called before this hour of the customer,")
    calling_until = models.TimeField(
        default=time(21), help_text="nor from this one. Stricter laws of a place hold too."
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="No message begins from this hour of the customer,")
    quiet_until = models.TimeField(null=True, blank=True, help_text="until this one. Both empty: no quiet hours.")
    company = models.CharField(max_length=120, default="Our shop")
    sender = models.CharField(max_length=254, default="Our shop <hello@example.test>")
    reply_to = models.CharField(max_length=254, blank=True, help_text="Where answers go; empty: to the sender.")
    postal_address = models.CharField(max_length=300, default="1 Example Street, Exampletown")
    sms_opt_out = models.CharField(
        max_length=60,
        blank=True,
        verbose_name="How to leave, in an SMS",
        help_text="Ends every SMS, such as: Reply STOP to stop. Empty: nothing is added.",
    )
    colour = models.CharField(max_length=7, default="#14557b", validators=COLOUR, help_text="Of buttons and links.")
    background = models.CharField(max_length=7, default="#f4f6f8", validators=COLOUR, help_text="Around the mail.")
    logo = models.ForeignKey(Asset, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    dkim_selector = models.CharField(max_length=63, blank=True, help_text="Under which name the DKIM key is published.")
    alert_emails = models.CharField(
        max_length=300, blank=True, help_text="Who is told of alerts that nobody owns; several with commas between."
    )
    margin = models.FloatField(
        default=1.0,
        validators=PART,
        help_text="The part of an order that we earn, where a campaign says nothing else: 0.3 is 30 %.",
    )
    approval_customers = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="A launch for more customers than this needs a second person; empty: none does.",
    )
    approval_budget = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0)],
        help_text="A launch with a larger budget, or none, needs a second person; empty: none does.",
    )

    class Meta:
        verbose_name_plural = "programme"
        permissions = [("stop_programme", "Can stop all sending, and start it again")]
        constraints = [models.CheckConstraint(condition=Q(id=1), name="programme_is_single")]

    def __str__(self) -> str:
        return "Programme"


class FrequencyCap(models.Model):
    """At most so many messages of one channel, or about one topic, to one customer in any so many days."""

    channel = models.CharField(max_length=10, choices=Channel.choices, blank=True, help_text="Empty: of any channel.")
    topic = models.CharField(max_length=60, blank=True, help_text="Empty: about any topic.")
    messages = models.IntegerField(validators=[MinValueValidator(1)])
    days = models.IntegerField(validators=[MinValueValidator(1)])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "topic", "days"], name="frequency_cap_once")]

    def __str__(self) -> str:
        what = " ".join(word for word in (self.channel, self.topic) if word)
        return f"{self.messages} {what} messages in {self.days} days".replace("  ", " ")


class Throughput(models.Model):
    """How many messages a channel takes: tokens that fill up with time, taken when deliveries are claimed."""

    channel = models.CharField(max_length=10, choices=Channel.choices, unique=True)
    per_minute = models.IntegerField(validators=[MinValueValidator(1)])
    tokens = models.FloatField(default=0.0, editable=False)
    filled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "throughput"

    def __str__(self) -> str:
        return f"{self.channel}: {self.per_minute} a minute"


class Outage(models.Model):
    """A channel that cannot be used for now: nothing of it is begun before the next try, which one worker makes."""

    channel = models.CharField(max_length=10, choices=Channel.choices, unique=True)
    since = models.DateTimeField()
    retry_at = models.DateTimeField()
    tries = models.IntegerField(default=1)
    reason = models.CharField(max_length=300)

    def __str__(self) -> str:
        return f"{self.channel}: {self.reason}"


class Offer(models.Model):
    """A code of the customer's own that is worth something for a time, of which there may be so many."""

    class Codes(models.TextChoices):
        GENERATED = "generated", "Made here, one a customer"
        POOL = "pool", "From an uploaded list"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    value = models.FloatField(validators=[MinValueValidator(0.0)], help_text="In the shop's currency, or in percent.")
    is_percent = models.BooleanField(default=False)
    cost = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0)],
        help_text="What one that is redeemed costs us; empty: what it is worth to the customer.",
    )
    margin = models.FloatField(
        default=1.0,
        validators=PART,
        help_text="The part of an order that we earn, before the offer: 0.3 is 30 %.",
    )
    valid_days = models.IntegerField(default=14, validators=[MinValueValidator(1)])
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Given from then on; empty: at once.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="No code is good after it; empty: no end.")
    audience = models.ForeignKey(
        Segment,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Only members may have it.",
    )
    stock = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="How many there are; empty: no limit, or as many as the uploaded list has.",
    )
    codes_from = models.CharField(max_length=10, choices=Codes.choices, default=Codes.GENERATED)
    terms = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class Campaign(models.Model):
    """A standing plan: who, when, what, limits, and how it is measured.

    `trigger` and `steps` are parsed by campaigns.triggers and campaigns.steps; the forms are described there.
    `variants` share out the treated: [{"key": "b", "share": 0.5, "step": {...}}, ...]; none: all get the step.
    """

    class Entry(models.TextChoices):
        EVERY = "every", "Every time"
        DAYS = "days", "Once in so many days"
        ONCE = "once", "Once, and never again"

    class Limited(models.TextChoices):
        DROP = "drop", "Leave it"
        DELAY = "delay", "Wait until it may"

    class Split(models.TextChoices):
        FIXED = "fixed", "As the shares say"
        ADAPTIVE = "adaptive", "More to what does better"

    class Winner(models.TextChoices):
        OFF = "off", "Nobody is told"
        SUGGEST = "suggest", "Tell me when there is one"
        AUTOMATIC = "automatic", "Use it from then on"

    class Metric(models.TextChoices):
        CONVERSION = "conversion", "Conversions"
        VALUE = "value", "Value"
        CLICK = "click", "Clicks by people"

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
    trigger_version = models.IntegerField(
        default=1, editable=False, help_text="The version that changed its trigger last: states are set anew with it."
    )
    edited_by = models.CharField(max_length=150, blank=True, editable=False, help_text="Who changed the plan last.")
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
    variants = models.JSONField(default=list, blank=True)
    split = models.CharField(max_length=10, choices=Split.choices, default=Split.FIXED)
    winner = models.CharField(max_length=10, choices=Winner.choices, default=Winner.SUGGEST)
    winner_metric = models.CharField(max_length=10, choices=Metric.choices, default=Metric.CONVERSION)
    chosen_variant = models.CharField(
        max_length=20, blank=True, help_text="Everybody gets this variant; empty: as the shares say."
    )
    compared_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when its variants are what they are; empty: always."
    )
    pilot_share = models.FloatField(default=1.0, validators=[MinValueValidator(0.001), MaxValueValidator(1.0)])
    entry = models.CharField(max_length=10, choices=Entry.choices, default=Entry.DAYS)
    cooldown_days = models.IntegerField(default=30, validators=[MinValueValidator(0)])
    lateness_hours = models.IntegerField(
        default=24, validators=[MinValueValidator(1)], help_text="What happened longer ago triggers nothing."
    )
    when_limited = models.CharField(max_length=10, choices=Limited.choices, default=Limited.DROP)
    delay_hours = models.IntegerField(
        default=72, validators=[MinValueValidator(1)], help_text="What waited longer is left."
    )
    priority = models.IntegerField(default=100, help_text="Lower goes first.")
    budget = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0)])
    message_cost = models.FloatField(default=0.0, validators=[MinValueValidator(0.0)])
    most_a_day = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    value = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0)])
    fires_on_import = models.BooleanField(default=False, help_text="Imported events may trigger it.")
    fires_on_start = models.BooleanField(
        default=False, editable=False, help_text="Its first look also fires for those who match already."
    )
    goal_event = models.CharField(max_length=120, default="Order Completed")
    goal_days = models.IntegerField(default=14, validators=[MinValueValidator(1)])
    margin = models.FloatField(
        null=True,
        blank=True,
        validators=PART,
        help_text="The part of an order that we earn: 0.3 is 30 %. Empty: as the programme says.",
    )
    planned_customers = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many its read-out is planned for: there its intervals are narrowest.",
    )
    created_at = models.DateTimeField()
    launched_at = models.DateTimeField(null=True, blank=True)
    forecast = models.FloatField(null=True, editable=False, help_text="How many a day it was expected to reach.")
    paused_why = models.CharField(max_length=300, blank=True, editable=False, help_text="What paused it by itself.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        permissions = [("launch_campaign", "Can launch, resume and widen campaigns")]

    def __str__(self) -> str:
        return self.name


class CampaignVersion(models.Model):
    """A campaign's plan as it was from a time on, who made it so, and what was changed, in words."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="versions")
    number = models.IntegerField()
    plan = models.JSONField()
    changed = models.JSONField(default=list, help_text="A sentence for each change.")
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="campaign_version_once")]

    def __str__(self) -> str:
        return f"{self.campaign} {self.number}"


class Approval(models.Model):
    """A second person's yes to a plan as it stands; any change of the plan makes it void."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="approvals")
    plan_digest = models.CharField(max_length=64, help_text="SHA-256 of the plan that was asked about.")
    changes = models.JSONField(default=dict, help_text="What is to be changed of a live plan; empty: nothing.")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    is_granted = models.BooleanField(null=True, help_text="None while nobody answered.")
    reason = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.campaign}: asked by {self.asked_by}"


class VariantShares(models.Model):
    """The shares of an adaptive campaign's variants from a time on, and what they were drawn from."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="variant_shares")
    at = models.DateTimeField()
    shares = models.JSONField(help_text="By key of the variant; together 1.")
    drawn_from = models.JSONField(default=dict, help_text="By key: customers and outcomes known by then.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "at"], name="variant_shares_once")]

    def __str__(self) -> str:
        return f"{self.campaign} from {self.at:%Y-%m-%d %H:%M}"


class Backtest(models.Model):
    """What a plan would have done in a past period, worked out day by day by a lease holder."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="backtests")
    plan = models.JSONField(help_text="The plan as it stood when it was asked.")
    since = models.DateTimeField()
    until = models.DateTimeField()
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    days_done = models.IntegerField(default=0)
    days = models.IntegerField(default=0)
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)
    result = models.JSONField(default=dict)
    working = models.BinaryField(
        null=True, help_text="What is remembered of the days that are done; gone once it has ended."
    )

    class Meta:
        indexes = [
            models.Index(fields=["asked_at"], name="backtest_open", condition=Q(state__in=("waiting", "running")))
        ]

    def __str__(self) -> str:
        return f"{self.campaign}, {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"


class Slot(models.Model):
    """One time at which a campaign by schedule or by hand is to act on its whole audience.

    Its decisions are those of its campaign from `began_at` to `done_at`: of one campaign a slot begins only after the
    one before is done (campaigns.slots). So decisions, written by the million, carry nothing for it.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="slots")
    at = models.DateTimeField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    began_at = models.DateTimeField(null=True, blank=True, help_text="As of when the first bucket was decided about.")
    done_at = models.DateTimeField(null=True, blank=True, help_text="As of when all buckets were decided about.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "at"], name="slot_once")]
        indexes = [models.Index(fields=["at"], name="slot_due", condition=Q(done_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.campaign} at {self.at:%Y-%m-%d %H:%M}"
