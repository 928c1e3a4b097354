"""What became of a mail at the customer's: links, openings and clicks."""

from django.db import models
from django.db.models import Q

from campaigns.models.decisions import Delivery


class MailLink(models.Model):
    """An address that mails lead to; a signed id in the mail stands for it."""

    sha256 = models.CharField(max_length=64, unique=True)
    url = models.TextField()

    def __str__(self) -> str:
        return self.url


class Touch(models.Model):
    """One time that a mail was opened or a link of it followed, raw, by a person or by a machine."""

    class Kind(models.TextChoices):
        OPEN = "open", "Opened"
        CLICK = "click", "Clicked"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="touches")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    at = models.DateTimeField()
    link = models.ForeignKey(MailLink, null=True, on_delete=models.PROTECT, related_name="+")
    tag = models.CharField(max_length=60, blank=True, help_text="The content tag of the block that holds the link.")
    method = models.CharField(max_length=10)
    agent = models.CharField(max_length=300, blank=True, help_text="What the other side said it is.")
    network = models.CharField(max_length=64, blank=True, help_text="Its address without the last part.")
    is_machine = models.BooleanField(null=True, help_text="None: not judged yet.")
    why = models.CharField(max_length=120, blank=True, help_text="What gave a machine away.")

    class Meta:
        verbose_name_plural = "touches"
        indexes = [
            models.Index(fields=["delivery", "at"], name="touch_delivery"),
            models.Index(fields=["at"], name="touch_unjudged", condition=Q(is_machine__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"
