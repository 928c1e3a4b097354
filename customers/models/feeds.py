"""Files that are looked for again and again."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from customers.models.core import Import, Source, new_public_id

LONGEST_MINUTES = 7 * 24 * 60


class Feed(models.Model):
    """A folder or an address that is looked at again and again: each new file is imported as one before it was.

    `mapping` is that of an import that went well. `seen` holds what the last look found of each file that it did not
    take. `sealed` holds the password or token of its address, for its host alone. Written by customers.feeds alone;
    whoever looks holds it by a lease.
    """

    class Login(models.TextChoices):
        BASIC = "basic", "With a name and a password"
        BEARER = "bearer", "With a token (Bearer)"
        HEADER = "header", "With a header of its own"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=120, unique=True)
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    kind = models.CharField(max_length=20, choices=Import.Kind.choices)
    mapping = models.JSONField()
    folder = models.CharField(max_length=500, blank=True)
    pattern = models.CharField(max_length=100, blank=True)
    url = models.CharField(max_length=500, blank=True)
    login = models.CharField(max_length=10, blank=True, choices=Login.choices)
    login_name = models.CharField(max_length=100, blank=True)
    sealed = models.TextField(blank=True, editable=False)
    every_minutes = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(LONGEST_MINUTES)]
    )
    daily_at = models.TimeField(null=True, blank=True)
    is_paused = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, editable=False)
    next_at = models.DateTimeField()
    look_error = models.CharField(max_length=400, blank=True, editable=False)
    import_error = models.CharField(max_length=400, blank=True, editable=False)
    etag = models.CharField(max_length=300, blank=True, editable=False)
    last_modified = models.CharField(max_length=300, blank=True, editable=False)
    seen = models.JSONField(default=dict, editable=False)
    token = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "scheduled import"
        constraints = [
            models.CheckConstraint(
                name="feed_one_place",
                violation_error_message="Give either a folder and how its files are called, or an address.",
                condition=Q(folder="", pattern="") & ~Q(url="") | ~Q(folder="") & ~Q(pattern="") & Q(url=""),
            ),
            models.CheckConstraint(
                name="feed_login_sealed",
                violation_error_message="A login has a password or a token, and an address that asks for it.",
                condition=Q(login="", login_name="", sealed="") | ~Q(login="") & ~Q(sealed="") & ~Q(url=""),
            ),
            models.CheckConstraint(
                name="feed_one_rhythm",
                violation_error_message="Give either the minutes between two looks or a time of the day.",
                condition=Q(every_minutes__gte=1, daily_at=None) | Q(every_minutes=None, daily_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FeedFile(models.Model):
    """A file that a feed took: the same bytes are taken once, whatever they are called."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="files")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    taken_at = models.DateTimeField()
    of_import = models.ForeignKey(Import, null=True, on_delete=models.SET_NULL, related_name="+")
    is_open = models.BooleanField(default=True, help_text="What became of its import is not looked at yet.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["feed", "sha256"], name="feed_file_once")]
        indexes = [models.Index(fields=["feed"], condition=Q(is_open=True), name="feed_file_open")]

    def __str__(self) -> str:
        return self.name
