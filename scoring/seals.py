"""The seal of a model file: whether it is the one that was stored, told without loading a learner."""

import hashlib
import hmac
from pathlib import Path

from django.conf import settings

from scoring.models import ModelVersion


class ArtifactError(Exception):
    """A model file that is missing, torn or foreign."""


def content_of(version: ModelVersion) -> bytes:
    """Give the version's file if it is the one that was stored. Raises ArtifactError."""
    try:
        content = (Path(settings.LAKE_URL) / version.artefact).read_bytes()
    except OSError as error:
        raise ArtifactError(f"The file of {version} cannot be read: {error}.") from error
    if not hmac.compare_digest(mac_of(content), version.artefact_mac):
        raise ArtifactError(f"The file of {version} is not the one that was stored; train the target again.")
    return content


def mac_of(content: bytes) -> str:
    """Give the HMAC-SHA256 of a model file under the secret key, in hexadecimal."""
    key = hashlib.sha256(b"scoring.artifacts" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, content, hashlib.sha256).hexdigest()
