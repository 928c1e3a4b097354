"""Who the customers are, what they did, and what we may do."""

import secrets

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

PUBLIC_ID_BYTES = 16


def new_public_id() -> str:
    """Give a random 128-bit id, safe in a URL."""
    return secrets.token_urlsafe(PUBLIC_ID_BYTES)


class Source(models.Model):
    """Where records come from: a file, an application, or our own campaigns."""

    class Kind(models.TextChoices):
        IMPORT = "import", "Import"
        API = "api", "Application"
        CAMPAIGNS = "campaigns", "Our campaigns"

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices)

    def __str__(self) -> str:
        return self.name


class Customer(models.Model):
    """One person or account we may contact.

    `seed` is 64 bits of the external id's hash, as a signed integer: bucket, samples and every assignment follow
    from it, so that the same customer always draws the same. `public_id` is shown and never asked for: 128 random bits
    differ without an index, whose rows, each in another place, would cost a third of storing a customer.
    """

    external_id = models.CharField(max_length=200)
    public_id = models.CharField(max_length=32, default=new_public_id, editable=False)
    bucket = models.SmallIntegerField(editable=False)
    seed = models.BigIntegerField(editable=False)
    email = models.CharField(max_length=254, null=True, blank=True)
    phone = models.CharField(max_length=20, null=True, blank=True, help_text="E.164")
    first_name = models.CharField(max_length=120, null=True, blank=True)
    last_name = models.CharField(max_length=120, null=True, blank=True)
    country = models.CharField(max_length=80, null=True, blank=True)
    city = models.CharField(max_length=120, null=True, blank=True)
    language = models.CharField(max_length=20, null=True, blank=True)
    time_zone = models.CharField(max_length=60, null=True, blank=True)
    birth_date = models.DateField(null=True, blank=True)
    attributes = models.JSONField(default=dict, blank=True, help_text="The latest value of every attribute.")
    known_since = models.DateTimeField(help_text="When we could first have known this customer.")
    told_by = models.ForeignKey(
        "Import",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,  # an import that stored something is never deleted
        db_index=False,
        help_text="The last import that brought this customer, or changed an address or a permission.",
    )

    class Meta:
        indexes = [
            models.Index(fields=["bucket", "id"], name="customer_bucket"),
            models.Index(fields=["email"], name="customer_email"),
            BrinIndex(fields=["told_by"], name="customer_told_by"),
        ]
        constraints = [
            # Finds whole ids and how they begin: for `unique` alone PostgreSQL has two indexes.
            models.UniqueConstraint(
                fields=["external_id"], name="customer_external_id_unique", opclasses=["varchar_pattern_ops"]
            ),
            models.CheckConstraint(condition=Q(bucket__gte=0), name="customer_bucket_not_negative"),
            models.CheckConstraint(condition=~Q(external_id=""), name="customer_external_id_not_blank"),
        ]

    def __str__(self) -> str:
        return self.external_id


class OfOne(models.Model):
    """Rows computed of one customer's history: they go when it becomes a part of another's."""

    class Meta:
        abstract = True

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Forget what was computed of the one who goes; the next cycle computes it of both."""
        cls._default_manager.filter(Q(customer=gone)).delete()


class Identity(models.Model):
    """An identifier that points to a customer, whom its writer holds (identity.hold): no key is checked."""

    class Kind(models.TextChoices):
        EXTERNAL = "external", "External id"
        ANONYMOUS = "anonymous", "Anonymous id"
        DEVICE = "device", "Device for push messages"

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="identities", db_constraint=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    value = models.CharField(max_length=200)
    known_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "identities"
        # By the value first: nearly all are of one kind, and two columns would be compared to find a place.
        constraints = [models.UniqueConstraint(fields=["value", "kind"], name="identity_unique")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class Attribute(models.Model):
    """A fact that customers may have, with its type."""

    class Type(models.TextChoices):
        TEXT = "text", "Text"
        NUMBER = "number", "Number"
        YES_NO = "yes_no", "Yes or no"
        DATE = "date", "Date"
        LIST = "list", "List"

    name = models.CharField(max_length=100, unique=True)
    label = models.CharField(max_length=120, blank=True)
    type = models.CharField(max_length=10, choices=Type.choices)
    is_timeless = models.BooleanField(default=False, help_text="Taken as known for ever; the leakage guard watches it.")

    def __str__(self) -> str:
        return self.label or self.name


class AttributeChange(models.Model):
    """One told value of one attribute, kept for ever, so that it can be read as of a time.

    The core columns country, city, language, time_zone and birth_date are kept here too, under those names.
    A null `value` says that the attribute was cleared. No key is checked row by row, which would cost as much as all
    else: whoever writes holds the customers locked. PostgreSQL finds the rows of an import by ranges of pages.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="attribute_changes", db_constraint=False, db_index=False
    )
    name = models.CharField(max_length=100)
    value = models.JSONField(null=True)
    known_at = models.DateTimeField()
    of_import = models.ForeignKey(
        "Import",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    source = models.CharField(
        max_length=80, blank=True, default="", db_default="", help_text='Which act of ours set it: "campaign winback".'
    )
    stored_xact = models.BigIntegerField(default=0, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["customer", "name", "known_at"], name="attribute_change_as_of"),
            models.Index(fields=["stored_xact", "id"], name="attribute_change_stored"),
            BrinIndex(fields=["of_import"], name="attribute_change_import"),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class EventName(models.Model):
    """A kind of event that was seen, and whether its counts are features."""

    name = models.CharField(max_length=120, unique=True)
    is_counted = models.BooleanField(default=False, help_text="Counts in 7, 30, 90 and 365 days become features.")

    def __str__(self) -> str:
        return self.name


class CampaignName(models.Model):
    """A campaign that deals with customers: the events that tell of it have its key among their properties."""

    key = models.SlugField(max_length=60, unique=True)

    def __str__(self) -> str:
        return self.key


class Import(models.Model):
    """One file, and what became of its lines. What a person uploaded waits for a worker, who holds it by a lease."""

    class Kind(models.TextChoices):
        CUSTOMERS = "customers", "Customers"
        EVENTS = "events", "Events"

    class State(models.TextChoices):
        UPLOADED = "uploaded", "Not stored yet"
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=20, choices=State.choices, default=State.RUNNING)
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    mapping = models.JSONField(default=dict)
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    read = models.IntegerField(default=0)
    stored = models.IntegerField(default=0)
    repeated = models.IntegerField(default=0)
    quarantined = models.IntegerField(default=0)
    reasons = models.JSONField(default=dict)
    stage = models.CharField(max_length=60, blank=True)
    portion = models.FloatField(default=0.0)
    attempts = models.IntegerField(default=0)
    token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.file_name} ({self.get_state_display()})"


class Quarantine(models.Model):
    """A record that was refused, with the place and the reason."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    of_import = models.ForeignKey(Import, null=True, blank=True, on_delete=models.CASCADE, related_name="refused")
    line = models.IntegerField(null=True, blank=True)
    column = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=300)
    record = models.JSONField(default=dict)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "refused record"
        indexes = [models.Index(fields=["of_import", "line"], name="quarantine_import")]

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.reason}"


class Event(models.Model):
    """Something that happened at a time, with properties.

    Three times: `occurred_at`; `known_at`, when we could have known it; (`stored_xact`, `id`), the order in which the
    database committed it (`stored_xact` is 0 on SQLite).
    """

    # The index by time and the one of message ids begin with them: two more would only cost every event.
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="events", db_index=False)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, db_index=False)
    of_import = models.ForeignKey(Import, null=True, blank=True, on_delete=models.SET_NULL)
    message_id = models.CharField(max_length=100)
    name = models.CharField(max_length=120)
    occurred_at = models.DateTimeField()
    known_at = models.DateTimeField()
    stored_xact = models.BigIntegerField(default=0, editable=False)
    order_id = models.CharField(max_length=100, null=True, blank=True)
    value = models.FloatField(null=True, blank=True)
    currency = models.CharField(max_length=3, null=True, blank=True)
    properties = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["customer", "-occurred_at"], name="event_customer_time"),
            models.Index(fields=["stored_xact", "id"], name="event_stored"),
        ]
        constraints = [models.UniqueConstraint(fields=["source", "message_id"], name="event_message_unique")]

    def __str__(self) -> str:
        return f"{self.name} at {self.occurred_at:%Y-%m-%d %H:%M}"


class Product(models.Model):
    """Something that is sold."""

    external_id = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=255, blank=True)
    category = models.CharField(max_length=120, blank=True)
    brand = models.CharField(max_length=120, blank=True)
    price = models.FloatField(null=True, blank=True, help_text="As an event last told it.")
    currency = models.CharField(max_length=3, blank=True)
    image_url = models.CharField("picture", max_length=500, blank=True, help_text="An https address.")

    def __str__(self) -> str:
        return self.name or self.external_id


class OrderLine(models.Model):
    """One product within an order event; a negative quantity was returned."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.FloatField()
    price = models.FloatField(null=True, blank=True, help_text="Per unit, as paid.")
    discount = models.FloatField(null=True, blank=True, help_text="Taken off the whole line.")
    stored_xact = models.BigIntegerField(default=0, editable=False)

    class Meta:
        indexes = [models.Index(fields=["stored_xact", "id"], name="order_line_stored")]

    def __str__(self) -> str:
        return f"{self.quantity:g} x {self.product_id}"


class Channel(models.TextChoices):
    EMAIL = "email", "E-mail"
    PHONE = "phone", "Phone"
    SMS = "sms", "SMS"
    PUSH = "push", "Push"


class Topic(models.Model):
    """What customers may agree to hear about, in the words that they read."""

    key = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    is_offered = models.BooleanField(default=True, help_text="Customers see it on their page of preferences.")
    position = models.IntegerField(default=100)

    def __str__(self) -> str:
        return self.name


class Consent(models.Model):
    """The permission in force for one customer, channel and topic. Nobody without a row may be contacted.

    Whoever writes it, and the change it follows from, holds the customer (identity.hold): no key is checked.
    """

    pk = models.CompositePrimaryKey("customer_id", "channel", "topic")
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="consents", db_index=False, db_constraint=False
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    topic = models.CharField(max_length=60)
    is_granted = models.BooleanField()
    source = models.CharField(max_length=200)
    since = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["channel", "topic"], name="consent_kind")]

    def __str__(self) -> str:
        return f"{self.channel}:{self.topic} {'granted' if self.is_granted else 'withdrawn'}"


class ConsentChange(models.Model):
    """Every grant and withdrawal there ever was, in order."""

    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="consent_changes", db_index=False, db_constraint=False
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    topic = models.CharField(max_length=60)
    is_granted = models.BooleanField()
    source = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["customer", "channel", "topic", "at"], name="consent_change_history")]
        constraints = [
            models.CheckConstraint(condition=~Q(source=""), name="consent_change_source_not_blank"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}:{self.topic} {'granted' if self.is_granted else 'withdrawn'} {self.at:%Y-%m-%d}"


class Suppression(models.Model):
    """An address that must not be contacted, kept as a hash so that it outlives an erasure."""

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", "Unsubscribed from everything"
        BOUNCED = "bounced", "Address does not exist"
        COMPLAINED = "complained", "Marked as spam"
        DO_NOT_CALL = "do_not_call", "Asked not to be called"
        BY_HAND = "by_hand", "Added by hand"
        ERASED = "erased", "Erased"

    channel = models.CharField(max_length=10, choices=Channel.choices)
    address_hash = models.CharField(max_length=64)
    hint = models.CharField(max_length=80, blank=True, help_text="The address with most of it hidden.")
    reason = models.CharField(max_length=20, choices=Reason.choices)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "address_hash"], name="suppression_unique")]

    def __str__(self) -> str:
        return f"{self.channel} {self.hint}"


class Merge(models.Model):
    """Two customers became one: who is kept, who the other was, and who said so. Never changed."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="merges")
    gone_id = models.BigIntegerField(help_text="The number that the other had.")
    gone_external_id = models.CharField(max_length=200)
    at = models.DateTimeField(db_index=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.gone_external_id} into {self.customer_id}"


class Tombstone(models.Model):
    """A customer who was erased or merged into another, by number only: nothing here says who it was.

    Until `rewritten_at`, files of the lake may still hold them, and every read leaves them out.
    """

    customer_id = models.BigIntegerField(primary_key=True)
    bucket = models.SmallIntegerField()
    at = models.DateTimeField()
    reason = models.CharField(max_length=300, help_text="Why, without a name.")
    generation = models.IntegerField(null=True, editable=False, help_text="A generation of the lake without them.")
    rewritten_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["bucket", "generation"], name="tombstone_generation"),
            models.Index(fields=["bucket"], name="tombstone_pending", condition=Q(rewritten_at=None)),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id}, gone since {self.at:%Y-%m-%d}"


class ApiKey(models.Model):
    """A key of an integration: only the hash of its secret is kept."""

    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    per_minute = models.PositiveIntegerField(
        "calls a minute",
        default=1000,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="More are refused with 429 until the minute is over.",
    )

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")), name="api_key_expires_later"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Allowance(models.Model):
    """How many calls a key made since its minute began. Written by customers.allowance alone."""

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="allowance")
    began = models.FloatField(help_text="Seconds since 1970.")
    used = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.used} calls of {self.key_id}"


class StoredAnswer(models.Model):
    """What a POST with an Idempotency-Key was answered, for a day. Written by customers.once alone.

    Of the key and of what was asked only hashes are kept. `body` is empty once it told of somebody who was erased.
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="answers", db_index=False)
    named = models.CharField(max_length=64, help_text="Hash of the Idempotency-Key.")
    asked = models.CharField(max_length=64, help_text="Hash of the address and the body.")
    at = models.DateTimeField(db_index=True)
    status = models.SmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "named"], name="stored_answer_once")]

    def __str__(self) -> str:
        return f"answer {self.status} to key {self.key_id}"


class AuditEntry(models.Model):
    """Who did what that matters: launches, exports, stops, keys, models. Never changed."""

    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    what = models.CharField(max_length=60)
    about = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.what} {self.about}"


class Alert(models.Model):
    """Something that somebody should mend: one row a cause, whether it is open, and who looks after it.

    Written by customers.alerts alone: what is raised again stays one row, and is settled when its cause is gone.
    """

    class Kind(models.TextChoices):
        DRIFT = "drift", "Customers have changed"
        LEVEL = "level", "Too many or too few foreseen"
        PERFORMANCE = "performance", "A model sorts worse than it did"
        TRAINING = "training", "Training refused or failed"
        ARTEFACT = "artefact", "A model's file cannot be read"
        BASELINE = "baseline", "Only a simple rule foresees it"
        SEGMENT = "segment", "A segment is paused"
        CYCLE = "cycle", "A cycle left customers out"
        CAMPAIGN = "campaign", "A campaign paused itself"
        SENDING = "sending", "Sending is stopped or in doubt"
        OFFER = "offer", "An offer runs out of codes"
        CALLS = "calls", "Calls wait for too long"
        WEBHOOK = "webhook", "Another program does not answer"
        QUALITY = "quality", "The data of a field has changed"
        FEED = "feed", "Files do not come in"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SNOOZED = "snoozed", "Snoozed"
        DONE = "done", "Done"

    key = models.CharField(max_length=120, unique=True, help_text="What it is about: one row a cause.")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    sentence = models.CharField(max_length=600)
    link = models.CharField(max_length=300, blank=True, help_text="The page where it can be mended.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    first_at = models.DateTimeField(help_text="When its cause was first seen, this time.")
    last_at = models.DateTimeField(help_text="When its cause was last seen, or gone.")
    mailed_at = models.DateTimeField(null=True, editable=False, help_text="When its owner was told by e-mail.")

    class Meta:
        indexes = [models.Index(fields=["state", "-last_at"], name="alert_inbox")]
        constraints = [
            models.CheckConstraint(
                name="alert_snoozed_until",
                condition=Q(state="snoozed", snoozed_until__isnull=False)
                | ~Q(state="snoozed") & Q(snoozed_until__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.sentence
