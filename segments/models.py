"""Which customers belong together."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from customers.models import Customer, OfOne, new_public_id


class Segment(models.Model):
    """A named rule, or a named list. Its members as of the last refresh are Membership rows.

    `edition` counts every change of its definition; whoever saves says which one was read.
    """

    class Kind(models.TextChoices):
        RULE = "rule", "Rule"
        LIST = "list", "List"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    key = models.SlugField(max_length=60, unique=True, help_text="Its name in other rules.")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.RULE)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    folder = models.CharField(max_length=120, blank=True, help_text="Where it stands in the list of segments.")
    tags = models.JSONField(default=list, blank=True, help_text='Words to find it by: ["spring", "shoes"].')
    rule = models.JSONField(help_text='{"version": 1, "rule": ...}')
    rule_version = models.IntegerField(default=1, editable=False)
    edition = models.IntegerField(default=1, editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    changed_by = models.CharField(max_length=150, blank=True, editable=False, help_text="Who changed it last.")
    as_of = models.DateTimeField(null=True, blank=True, editable=False, help_text="Its members are true for this time.")
    size = models.IntegerField(null=True, blank=True, editable=False)
    problem = models.CharField(
        max_length=300, blank=True, editable=False, help_text="Why its members could not be brought up to date."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(key=""), name="segment_key_not_blank")]

    def __str__(self) -> str:
        return self.name


class SegmentVersion(models.Model):
    """What a segment's rule was, since when, and by whom."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="versions")
    number = models.IntegerField()
    rule = models.JSONField()
    sentence = models.TextField(blank=True, help_text="The rule in words, as they were when it was saved.")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    by_name = models.CharField(max_length=150, blank=True, help_text="The person, or the key of an integration.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["segment", "number"], name="segment_version_number")]

    def __str__(self) -> str:
        return f"{self.segment} v{self.number}"


class SegmentPin(models.Model):
    """A customer who is in a segment, or is not, whatever its rule says."""

    class Kind(models.TextChoices):
        INCLUDE = "include", "Always in"
        EXCLUDE = "exclude", "Never in"

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="pins")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="pins")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    by = models.CharField(max_length=150, blank=True, help_text="The person, or the key of an integration.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["segment", "customer"], name="segment_pin_once")]

    def __str__(self) -> str:
        return f"customer {self.customer_id} {self.get_kind_display().lower()} segment {self.segment_id}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Keep what was said of the one who is kept; else take what was said of the other."""
        theirs = cls.objects.filter(customer=gone)
        theirs.filter(segment__in=cls.objects.filter(customer=kept).values("segment")).delete()
        theirs.update(customer=kept)


class ListMember(models.Model):
    """One customer on the list of a segment of kind list. Written by segments.lists alone."""

    pk = models.CompositePrimaryKey("segment_id", "bucket", "customer_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="listed"
    )
    bucket = models.SmallIntegerField()
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_constraint=False, related_name="listed")

    def __str__(self) -> str:
        return f"customer {self.customer_id} on the list of segment {self.segment_id}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Put the one who is kept on every list that the other was on."""
        theirs = cls.objects.filter(customer=gone)
        lists = theirs.values_list("segment", flat=True)
        ours = [ListMember(segment_id=pk, bucket=kept.bucket, customer=kept) for pk in lists]
        ListMember.objects.bulk_create(ours, ignore_conflicts=True)
        theirs.delete()


class ListChange(models.Model):
    """What was done to a list, by whom, and what became of the ids that were given. Never changed."""

    class How(models.TextChoices):
        ADDED = "added", "Added"
        REMOVED = "removed", "Taken off"
        REPLACED = "replaced", "Replaced"
        FROZEN = "frozen", "Frozen"

    public_id = models.CharField(max_length=32, default=new_public_id, editable=False)
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="list_changes")
    how = models.CharField(max_length=10, choices=How.choices)
    source = models.CharField(max_length=300, help_text="A file's name, pasted, or the rule it was frozen from.")
    at = models.DateTimeField()
    by = models.CharField(max_length=150, blank=True, help_text="The person, or the key of an integration.")
    read = models.IntegerField(help_text="Ids given.")
    repeated = models.IntegerField(default=0, help_text="Ids given more than once.")
    unknown = models.IntegerField(default=0, help_text="Ids of nobody.")
    unknown_ids = models.JSONField(default=list, help_text="The first of them.")
    added = models.IntegerField(default=0)
    removed = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.get_how_display()}: {self.source}"


class ListRefused(models.Model):
    """A line that put nobody on a list or off it, and why. Kept for a month."""

    class Why(models.TextChoices):
        UNKNOWN = "unknown", "Nobody has this id."
        NO_ADDRESS = "unknown_email", "Nobody has this e-mail address."
        TOO_LONG = "too_long", "It is longer than an id or an address can be."

    change = models.ForeignKey(ListChange, on_delete=models.CASCADE, related_name="refused")
    line = models.IntegerField(help_text="Its line in the file, or its place among the ids, from 1.")
    given = models.CharField(max_length=254)
    why = models.CharField(max_length=20, choices=Why.choices)

    def __str__(self) -> str:
        return f"line {self.line}: {self.get_why_display()}"


class SegmentSize(models.Model):
    """How large a segment was as of a full cycle, and how many had entered and left it ever by then."""

    pk = models.CompositePrimaryKey("segment_id", "as_of")
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, db_index=False, related_name="sizes")
    as_of = models.DateTimeField()
    size = models.IntegerField()
    entered = models.BigIntegerField()
    left = models.BigIntegerField()

    def __str__(self) -> str:
        return f"segment {self.segment_id}: {self.size} as of {self.as_of:%Y-%m-%d %H:%M}"


class SegmentExport(models.Model):
    """Who took the members of a segment out as a file. Never deleted by hand."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="exports")
    at = models.DateTimeField()
    by = models.CharField(max_length=150, help_text="The person, or the key of an integration.")
    format = models.CharField(max_length=10)
    fields = models.JSONField(default=list)
    rows = models.IntegerField(null=True, help_text="How many went out; none where it broke off.")

    def __str__(self) -> str:
        return f"{self.segment} as {self.format} by {self.by}"


class Membership(OfOne):
    """One customer in one segment, since when. Written by segments.membership alone; no key is checked row by row."""

    pk = models.CompositePrimaryKey("segment_id", "customer_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="memberships"
    )
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_constraint=False, related_name="memberships")
    bucket = models.SmallIntegerField()
    since = models.DateTimeField()
    as_of = models.DateTimeField(help_text="The time this row was last written for.")

    def __str__(self) -> str:
        return f"customer {self.customer_id} in segment {self.segment_id}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Wait for whoever writes the memberships and decisions of their buckets, and hold the next one back."""
        buckets = Bucket.objects.select_for_update().filter(pk__in=(kept.bucket, gone.bucket))
        list(buckets.order_by("pk"))
        super().on_merge(kept, gone)


class MembershipChange(OfOne):
    """A membership began or ended. (`stored_xact`, `id`) is the order of commits, as for events."""

    class Kind(models.TextChoices):
        ENTERED = "entered", "Entered"
        LEFT = "left", "Left"

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="changes"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="membership_changes"
    )
    bucket = models.SmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    as_of = models.DateTimeField()
    stored_xact = models.BigIntegerField(default=0, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["segment", "as_of"], name="membership_change_time"),
            models.Index(fields=["segment", "stored_xact", "id"], name="membership_change_stored"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["customer", "segment", "as_of"], name="membership_change_once"),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} {self.kind} segment {self.segment_id}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Forget who came and went under the name that goes, and that followers know it."""
        Following.lose(gone)
        super().on_merge(kept, gone)


class Following(models.Model):
    """How often changes of a segment were forgotten: whoever follows by them must take the whole list again."""

    segment = models.OneToOneField(Segment, on_delete=models.CASCADE, primary_key=True, related_name="following")
    lost = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"changes of segment {self.segment_id} were forgotten {self.lost} times"

    @staticmethod
    def lose(customer: Customer, *_: object) -> None:
        """Note that a customer's changes are about to be forgotten, by whom they were told."""
        told = list(MembershipChange.objects.filter(customer=customer).values_list("segment", flat=True).distinct())
        Following.objects.bulk_create([Following(segment_id=pk) for pk in sorted(told)], ignore_conflicts=True)
        Following.objects.filter(segment__in=told).update(lost=F("lost") + 1)


class Bucket(models.Model):
    """A bucket of customers. Whoever writes its memberships locks this row until the commit."""

    number = models.SmallIntegerField(primary_key=True)
    ids = models.BinaryField(default=b"", help_text="Its customers in order, 8 bytes each: bit n is the nth of them.")

    def __str__(self) -> str:
        return f"bucket {self.number}"


class Bitmap(models.Model):
    """Who of a bucket is in a segment, one bit a customer: written with the rows, read to find what differs."""

    pk = models.CompositePrimaryKey("segment_id", "bucket")
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="bitmaps", db_index=False)
    bucket = models.SmallIntegerField()
    bits = models.BinaryField()
    size = models.IntegerField(help_text="How many bits are set.")
    entered = models.BigIntegerField(default=0, help_text="How many bits were set, ever.")
    left = models.BigIntegerField(default=0, help_text="How many bits were cleared because a customer left, ever.")

    def __str__(self) -> str:
        return f"segment {self.segment_id} in bucket {self.bucket}"


class Cut(models.Model):
    """Between which values of a field a share of all customers lies, ends in, as of a time; null is open."""

    field = models.CharField(max_length=200)
    op = models.CharField(max_length=40)
    value = models.CharField(max_length=100, help_text="The share or number asked for, as JSON.")
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    customers = models.IntegerField(help_text="How many had a value.")
    as_of = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["field", "op", "value"], name="cut_unique")]

    def __str__(self) -> str:
        return f"{self.field} {self.op} {self.value}"
