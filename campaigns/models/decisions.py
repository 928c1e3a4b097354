"""Who is due, what was decided, and its way through a channel."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Max, Q

from campaigns.models.plans import Campaign, Offer
from customers.models import Channel, Customer, new_public_id
from scoring.models import ModelVersion


class TriggerState(models.Model):
    """Whether a customer is inside a campaign's line, since when, and how often the edge was crossed.

    Its keys, like those of Decision and Delivery, are checked by our code: to check half a million rows one by one, and
    to lock their customers, took PostgreSQL longer than all else. What is stored for somebody while she is erased is
    nobody's, is never sent, and goes with the next erasure.rewrite. On PostgreSQL the key begins with the customer, and
    nothing else is indexed by her.
    """

    pk = models.CompositePrimaryKey("campaign_id", "customer_id")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, db_constraint=False, db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_constraint=False)
    bucket = models.SmallIntegerField()
    is_inside = models.BooleanField()
    since = models.DateTimeField()
    as_of = models.DateTimeField()
    round = models.IntegerField(default=0, help_text="The number of the last edge that fired.")
    fired_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["campaign", "bucket"], name="trigger_state_campaign")]

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


class Decision(models.Model):
    """What was decided about one customer, and why. Unique by campaign, customer and round.

    Each column is indexed once, in the order it is asked for: half a million are written at once. Nobody asks by its
    public id, whose 128 random bits need no index to be the only ones. Rows are stored in the order of `as_of`: on
    PostgreSQL the index of its ranges of pages finds them.
    """

    class Outcome(models.TextChoices):
        DELIVER = "deliver", "Deliver"
        HELD_OUT = "held_out", "Held out"
        CONTROL = "control", "Control"
        SUPPRESSED = "suppressed", "Suppressed"
        CAPPED = "capped", "Capped"
        OVER_BUDGET = "over_budget", "Over budget"
        DEFERRED = "deferred", "Deferred"
        INELIGIBLE = "ineligible", "Ineligible"

    public_id = models.CharField(max_length=32, default=new_public_id, editable=False)
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="decisions"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="decisions"
    )
    round = models.IntegerField()
    bucket = models.SmallIntegerField()
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    reason = models.CharField(max_length=300)
    cause = models.CharField(max_length=20)
    as_of = models.DateTimeField()
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="A deferred one is given up from here on.")
    variant = models.CharField(max_length=20, blank=True)
    campaign_version = models.IntegerField()
    rule_version = models.IntegerField(null=True)
    model_version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    score = models.FloatField(null=True)
    arm = models.CharField(max_length=20, help_text="holdout, control or treated: what the hash drew.")
    draw = models.FloatField(help_text="The random number in [0, 1) that drew the arm.")
    probability = models.FloatField(help_text="The chance of the arm that was drawn.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "campaign", "round"], name="decision_once"),
            models.CheckConstraint(condition=Q(draw__gte=0) & Q(draw__lt=1), name="decision_draw_in_unit"),
            models.CheckConstraint(
                condition=Q(probability__gt=0) & Q(probability__lte=1), name="decision_probability_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "outcome"], name="decision_outcome"),
            BrinIndex(fields=["as_of"], name="decision_as_of"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.reason}"

    @property
    def told(self) -> dict[str, str]:
        """What events tell of it: its campaign, and its variant where it has one."""
        variant = {"variant": self.variant} if self.variant else {}
        return {"campaign": self.campaign.key, **variant}

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Number the edges of the one who goes after those of the kept one."""
        last = cls.objects.filter(customer=kept).order_by().values("campaign").annotate(last=Max("round"))
        rounds = dict(last.values_list("campaign", "last"))
        theirs = cls.objects.filter(customer=gone)
        for campaign in theirs.order_by().values_list("campaign", flat=True).distinct():
            number = F("round") + rounds.get(campaign, 0)
            theirs.filter(campaign=campaign).update(customer=kept, bucket=kept.bucket, round=number)


class Way(models.TextChoices):
    """How a delivery goes: by a channel that reaches the customer, or into data, and nobody is contacted.

    What contacts nobody needs no consent and no address, and neither caps nor quiet hours hold it up.
    """

    EMAIL = Channel.EMAIL.value, Channel.EMAIL.label
    PHONE = Channel.PHONE.value, Channel.PHONE.label
    SMS = Channel.SMS.value, Channel.SMS.label
    PUSH = Channel.PUSH.value, Channel.PUSH.label
    DATA = "data", "Data"

    @property
    def is_contact(self) -> bool:
        """Say whether the customer notices it."""
        return self != Way.DATA


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
        SMS = "sms", "SMS"
        PUSH = "push", "Push message"
        WEBHOOK = "webhook", "Webhook"
        ATTRIBUTE = "attribute", "Change an attribute"
        LIST = "list", "Change a list"
        NOTHING = "nothing", "Nothing"

    public_id = models.CharField(max_length=32, default=new_public_id, editable=False)
    decision = models.ForeignKey(
        Decision, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="deliveries"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="deliveries"
    )
    step = models.SmallIntegerField(default=0)
    action = models.CharField(max_length=20, choices=Action.choices)
    channel = models.CharField(max_length=10, choices=Way.choices)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PLANNED)
    priority = models.IntegerField(default=100, help_text="Lower goes first among what is due.")
    due_at = models.DateTimeField()
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    began_at = models.DateTimeField(null=True, help_text="When `sending` was committed; the caps count from here.")
    ended_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    is_told = models.BooleanField(default=False, editable=False, help_text="Its events are in the customer's history.")
    resolution = models.CharField(max_length=300, blank=True, help_text="What somebody decided about an uncertain one.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="delivery_public_id"),
            models.UniqueConstraint(fields=["decision", "step"], name="delivery_once"),
        ]
        indexes = [
            models.Index(fields=["state", "channel", "priority", "due_at"], name="delivery_due"),
            models.Index(
                fields=["id"],
                name="delivery_untold",
                condition=Q(state="sent", channel__in=("email", "sms", "push"), is_told=False),
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
    campaign_version = models.IntegerField(null=True, help_text="The version whose words it says.")
    ended_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=20, blank=True)
    receipt = models.CharField(max_length=300, blank=True)
    provider_id = models.CharField(max_length=200, blank=True, help_text="What the provider calls this message.")

    class Meta:
        indexes = [models.Index(fields=["provider_id"], name="attempt_provider", condition=~Q(provider_id=""))]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.result}"


class OfferCode(models.Model):
    """One customer's code, or one of an uploaded list that is nobody's yet."""

    class State(models.TextChoices):
        FREE = "free", "Free"
        RESERVED = "reserved", "Reserved"
        GIVEN = "given", "Given"
        REDEEMED = "redeemed", "Redeemed"
        LAPSED = "lapsed", "Lapsed"
        RELEASED = "released", "Released"

    HELD = (State.RESERVED, State.GIVEN)  # the customer's, and still good
    TAKEN = (*HELD, State.REDEEMED)  # out of the stock

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="codes", db_index=False)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="offer_codes")
    delivery = models.OneToOneField(
        Delivery, null=True, blank=True, on_delete=models.CASCADE, related_name="offer_code"
    )
    code = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.RESERVED)
    valid_until = models.DateTimeField(null=True, blank=True)
    given_at = models.DateTimeField(null=True, blank=True)
    redeemed_at = models.DateTimeField(null=True, blank=True)
    order_value = models.FloatField(null=True, blank=True, help_text="Of the order it was redeemed with.")

    class Meta:
        permissions = [("redeem_offercode", "Can redeem codes at a till")]
        indexes = [
            models.Index(fields=["offer", "state", "id"], name="offer_code_stock"),
            models.Index(
                fields=["valid_until"], name="offer_code_lapses", condition=Q(state__in=("reserved", "given"))
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["offer", "customer"], name="offer_code_one_held", condition=Q(state__in=("reserved", "given"))
            ),
            models.CheckConstraint(
                condition=Q(state="free") | Q(customer__isnull=False), name="offer_code_is_somebodys"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Move the codes; of one offer both held, the one who stays keeps hers, and the other lapses."""
        mine = cls.objects.filter(customer=kept, state__in=cls.HELD).values("offer_id")
        cls.objects.filter(customer=gone, state__in=cls.HELD, offer__in=mine).update(state=cls.State.LAPSED)
        cls.objects.filter(customer=gone).update(customer=kept)
