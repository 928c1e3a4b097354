"""Which customers belong together."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from customers.models import Customer, OfOne, new_public_id


class Segment(models.Model):
    """A named rule. Its members as of the last refresh are Membership rows."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    key = models.SlugField(max_length=60, unique=True, help_text="Its name in other rules.")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    rule = models.JSONField(help_text='{"version": 1, "rule": ...}')
    rule_version = models.IntegerField(default=1, editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
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
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["segment", "number"], name="segment_version_number")]

    def __str__(self) -> str:
        return f"{self.segment} v{self.number}"


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
        Customer, on_delete=models.CASCADE, db_constraint=False, related_name="membership_changes"
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
            models.UniqueConstraint(fields=["segment", "customer", "as_of"], name="membership_change_once"),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} {self.kind} segment {self.segment_id}"


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
