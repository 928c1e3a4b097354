"""What customers will do: targets, the versions of their models, and scores."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from customers.models import Customer, OfOne


class Target(models.Model):
    """What a model predicts: who, what should or should not happen, and within how long."""

    class Kind(models.TextChoices):
        EVENT = "event", "Does something within a time"
        NO_EVENT = "no_event", "Does not do something within a time"
        ATTRIBUTE = "attribute", "An attribute has a value"
        BECOMES = "becomes", "An attribute becomes a value within a time"
        HIGH_VALUE = "high_value", "Becomes one of the best customers within a time"
        SPEND = "spend", "How much is spent within a time"
        NEXT = "next", "How many days until it happens next"

    key = models.SlugField(max_length=60, unique=True, help_text="Its name in rules: scores.<key>.")
    label = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    question = models.SlugField(max_length=40, blank=True, help_text="The ready question it was made from, if any.")
    event = models.CharField(max_length=120, blank=True, help_text="The event's name, where an event is foreseen.")
    where = models.JSONField(default=list, blank=True, help_text='Only such events: [{"field", "value"}, ...].')
    horizon_days = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    attribute = models.CharField(max_length=100, blank=True, help_text="The attribute's name, where one is foreseen.")
    equals = models.CharField(max_length=200, blank=True, help_text="The value that counts as yes.")
    who = models.JSONField(
        default=list,
        blank=True,
        help_text='Whom it speaks of, all of: {"did", "days"}, {"attribute", "equals"}, {"below_spend_percentile"}. '
        "None: who did the event in the year before, or who has the attribute.",
    )
    value = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0)])
    contact_cost = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0)])
    offer_cost = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0)])
    save_rate = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Of those contacted in vain otherwise, the share that is won; measured where campaigns tell it.",
    )
    excluded = models.JSONField(default=list, blank=True, help_text="Fields that no model of it may read.")
    vouched = models.JSONField(default=list, blank=True, help_text="Fields that are known in time: never blocked.")
    retrain_days = models.IntegerField(
        "trained again every so many days", default=30, validators=[MinValueValidator(0)], help_text="0 is never."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    is_active = models.BooleanField(default=True)
    rescore_hours = models.IntegerField(
        "rescored every so many hours",
        default=0,
        validators=[MinValueValidator(0)],
        help_text="0 is every full cycle. Customers who are new are scored by every cycle.",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="target_is_whole",
                condition=(
                    Q(kind="attribute") & ~Q(attribute="") & ~Q(equals="")
                    | Q(kind="becomes") & ~Q(attribute="") & ~Q(equals="") & Q(horizon_days__gte=1)
                    | ~Q(kind__in=["attribute", "becomes"]) & ~Q(event="") & Q(horizon_days__gte=1)
                ),
            )
        ]

    def __str__(self) -> str:
        return self.label


class MeasuredRate(models.Model):
    """The share that a contact wins, as campaigns on a score measured it. Written by scoring.save_rate alone."""

    target = models.OneToOneField(Target, on_delete=models.CASCADE, related_name="measured_rate")
    as_of = models.DateTimeField()
    value = models.FloatField(null=True, help_text="None: it could not be told; `why` says why.")
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    why = models.CharField(max_length=200, blank=True)
    campaigns = models.IntegerField()
    treated = models.IntegerField()
    control = models.IntegerField()

    def __str__(self) -> str:
        return f"measured rate of {self.target}"


class ModelVersion(models.Model):
    """One fitted pipeline with its evaluation. At most one version of a target is live."""

    class State(models.TextChoices):
        CANDIDATE = "candidate", "Candidate"
        LIVE = "live", "Live"
        RETIRED = "retired", "Retired"

    class Validated(models.TextChoices):
        OVER_TIME = "over_time", "On later times and other customers"
        IN_FOLDS = "in_folds", "In folds, because there are no dates"

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="versions")
    number = models.IntegerField()
    state = models.CharField(max_length=20, choices=State.choices, default=State.CANDIDATE)
    reason = models.CharField(max_length=600, blank=True, help_text="Why it is live, or why it is not.")
    learner = models.CharField(max_length=40)
    is_baseline = models.BooleanField(default=False, help_text="A simple rule, kept because no model beats it.")
    validated = models.CharField(max_length=20, choices=Validated.choices)
    as_of = models.DateTimeField(help_text="Nothing known later was used.")
    created_at = models.DateTimeField()
    seed = models.BigIntegerField()
    features = models.JSONField(default=list, help_text="The frame's columns it reads, in order.")
    artefact = models.CharField(max_length=255, blank=True, help_text="A skops file below the lake.")
    artefact_mac = models.CharField(max_length=64, blank=True, help_text="HMAC-SHA256 of the file under SECRET_KEY.")
    customers = models.IntegerField()
    positives = models.IntegerField()
    threshold = models.FloatField(null=True, blank=True)
    bands = models.JSONField(default=list, help_text="Named ranges: [{name, from}], lowest first.")
    live_since = models.DateTimeField(null=True, blank=True)
    before = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The version that it replaced: what rolling back returns to.",
    )
    retired_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict, help_text="What training saw and did: see scoring.report.Report.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["target", "number"], name="model_version_number"),
            models.UniqueConstraint(fields=["target"], condition=Q(state="live"), name="model_version_one_live"),
        ]

    def __str__(self) -> str:
        return f"{self.target.key} v{self.number}"


class Evaluation(models.Model):
    """How one learner did on one test: an origin in time, a fold, or all of them pooled (`origin` is null)."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="evaluations")
    learner = models.CharField(max_length=40)
    origin = models.DateTimeField(null=True, blank=True)
    customers = models.IntegerField()
    positives = models.IntegerField()
    figures = models.JSONField(default=dict, help_text='{"auc": {"value", "low", "high"}, ...}')
    curves = models.JSONField(default=dict, help_text="Reliability by decile, and gains.")

    def __str__(self) -> str:
        return f"{self.learner} on {self.origin or 'all origins'}"


class TrainingRun(models.Model):
    """A training that was asked for: the queue of trainings, and what became of each.

    A worker holds it by a token and a lease. Written by scoring.training_queue alone.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="training_runs")
    as_of = models.DateTimeField(help_text="Nothing known later is used.")
    seed = models.BigIntegerField(default=0)
    is_scheduled = models.BooleanField(default=False, help_text="Due by the target's days, asked for by nobody.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    stage = models.CharField(max_length=80, blank=True)
    portion = models.FloatField(default=0.0, help_text="Of the whole training, 0 to 1.")
    sentence = models.CharField(max_length=600, blank=True, help_text="What came of it.")
    version = models.ForeignKey(ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    token = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.IntegerField(default=0)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["target"], condition=Q(state__in=["waiting", "running"]), name="training_run_one_open"
            )
        ]

    def __str__(self) -> str:
        return f"training of {self.target.key} as of {self.as_of:%Y-%m-%d %H:%M}"


class ScoredSnapshot(models.Model):
    """A snapshot that holds a version's scores, until its label window has closed and it is judged."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(help_text="In UTC: of a day, the newest snapshot is kept.")
    as_of = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "day"], name="scored_snapshot_unique")]

    def __str__(self) -> str:
        return f"{self.version} as of {self.as_of:%Y-%m-%d %H:%M}"


class Backtest(models.Model):
    """How the scores of a snapshot came true, once their window had closed."""

    class Who(models.TextChoices):
        EVERYBODY = "everybody", "Everybody"
        LEFT_ALONE = "left_alone", "Whom we left alone"

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="backtests")
    who = models.CharField(max_length=10, choices=Who.choices)
    as_of = models.DateTimeField(help_text="When the scores were given.")
    judged_at = models.DateTimeField()
    customers = models.IntegerField()
    positives = models.IntegerField()
    figures = models.JSONField(default=dict, help_text='{"auc": {"value", "low", "high"}, ..., "foreseen", "happened"}')
    curves = models.JSONField(default=dict, help_text="As those of an evaluation.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "who", "as_of"], name="backtest_unique")]

    def __str__(self) -> str:
        return f"{self.version} as of {self.as_of:%Y-%m-%d}, {self.get_who_display().lower()}"


class Drift(models.Model):
    """How far the customers of a day lie from those a version was trained on: see scoring.drift."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="drifts")
    day = models.DateField(help_text="In UTC: one row a day.")
    as_of = models.DateTimeField()
    figures = models.JSONField(
        default=dict, help_text='{"customers", "fields": {name: {"psi", "line"}}, "drifted": [name, ...]}'
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "day"], name="drift_unique")]

    def __str__(self) -> str:
        return f"{self.version} on {self.day}"


class ScoreRun(models.Model):
    """One scoring of everybody. The published run is the one that is read.

    A run keeps the versions it began with to its end, also for the customers who are rescored in between.
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PUBLISHED = "published", "Published"
        OLD = "old", "Old"

    as_of = models.DateTimeField()
    state = models.CharField(max_length=20, choices=State.choices, default=State.RUNNING)
    inputs = models.CharField(max_length=64, help_text="Hash of the lake's generation and the model versions.")
    versions = models.JSONField(default=dict, help_text="The model version of each target, by their ids.")
    scored_at = models.JSONField(default=dict, help_text="The as-of time of each target's scores, by its id.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="published"), name="score_run_one_published")
        ]

    def __str__(self) -> str:
        return f"scores as of {self.as_of:%Y-%m-%d %H:%M}"


class ScoredBucket(models.Model):
    """A bucket of which a run has the scores: written in the same commit as they are."""

    pk = models.CompositePrimaryKey("run_id", "bucket")
    run = models.ForeignKey(ScoreRun, on_delete=models.CASCADE, related_name="buckets")
    bucket = models.SmallIntegerField()

    def __str__(self) -> str:
        return f"bucket {self.bucket} of run {self.run_id}"


class Ranking(models.Model):
    """All scores of one target in one run, in order: what percentiles, ranks and bands are read from."""

    run = models.ForeignKey(ScoreRun, on_delete=models.CASCADE, related_name="rankings")
    target = models.ForeignKey(Target, on_delete=models.CASCADE)
    customers = models.IntegerField()
    ordered = models.BinaryField(help_text="Millionths from the lowest up: the first, then the steps; packed.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "target"], name="ranking_unique")]

    def __str__(self) -> str:
        return f"{self.customers} scores of target {self.target_id}"


class Score(OfOne):
    """A model's output for one customer in one run, rounded to 6 decimals.

    Written by scoring.scores alone, millions at a time: on PostgreSQL every run is a partition with a part for each
    target, filled without indexes, and no key is checked row by row. Its indexes begin with what differs within a part.
    """

    pk = models.CompositePrimaryKey("run_id", "customer_id", "target_id")
    run = models.ForeignKey(ScoreRun, on_delete=models.CASCADE, db_constraint=False, db_index=False)
    target = models.ForeignKey(Target, on_delete=models.CASCADE, db_constraint=False, db_index=False)
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="scores"
    )
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, db_constraint=False, db_index=False)
    bucket = models.SmallIntegerField()
    as_of = models.DateTimeField()
    value = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["run", "target", "-value"], name="score_by_value")]

    def __str__(self) -> str:
        return f"{self.value:.3f}"

    @classmethod
    def on_merge(cls, kept: Customer, gone: Customer) -> None:
        """Forget the scores of the one who goes, run by run: that is how they are found."""
        cls.objects.filter(run__in=list(ScoreRun.objects.values_list("pk", flat=True)), customer=gone).delete()


class BandChange(OfOne):
    """A customer moved from one band of a target to another; kept for ever. No key is checked row by row."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, db_constraint=False, db_index=False)
    target = models.ForeignKey(Target, on_delete=models.CASCADE, db_constraint=False, db_index=False)
    band_before = models.CharField(max_length=40, blank=True)
    band = models.CharField(max_length=40)
    as_of = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "target", "as_of"], name="band_change_unique"),
        ]
        indexes = [models.Index(fields=["as_of"], name="band_change_time")]

    def __str__(self) -> str:
        return f"{self.band_before} to {self.band}"
