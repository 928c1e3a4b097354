"""What mails are made of: pictures, and designs to start from."""

from django.conf import settings
from django.db import models

from customers.models import new_public_id


class Asset(models.Model):
    """A picture that mails show; anybody who has its address may see it."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, editable=False, help_text="Its media type.")
    content = models.BinaryField()
    width = models.IntegerField(editable=False)
    height = models.IntegerField(editable=False)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return self.name


class MailDesign(models.Model):
    """A mail to start from: its content is parsed by campaigns.blocks, as that of a campaign's step."""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    content = models.JSONField(default=dict, help_text="Subject, preheader, blocks and language variants.")
    is_ready_made = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(editable=False)
    changed_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        return self.name
