"""How good the values of the fields are."""

from django.db import models
from django.db.models import Q

from customers.models.core import Attribute, Import


class FieldQuality(models.Model):
    """What the values of a field were like on a day, or as one file brought them. Written by customers.quality_days.

    `figures` is customers.quality.Figures. `drift` compares them with those before, and is empty where there were none.
    """

    field = models.CharField(max_length=240)
    label = models.CharField(max_length=240)
    kind = models.CharField(max_length=10, choices=Attribute.Type.choices)
    day = models.DateField()
    as_of = models.DateTimeField()
    of_import = models.ForeignKey(Import, null=True, blank=True, on_delete=models.CASCADE, related_name="fields")
    newest = models.DateTimeField(null=True, help_text="When the last of its values was known.")
    figures = models.JSONField()
    drift = models.JSONField(default=dict)

    class Meta:
        verbose_name = "data quality"
        verbose_name_plural = "data quality"
        indexes = [models.Index(fields=["of_import", "day"], name="field_quality_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["field", "day"], condition=Q(of_import=None), name="field_quality_once_a_day"
            ),
            models.UniqueConstraint(fields=["field", "of_import"], name="field_quality_once_an_import"),
        ]

    def __str__(self) -> str:
        return self.label
