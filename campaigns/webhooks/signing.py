"""The secrets of webhooks and the signatures made with them: HMAC-SHA256, v1 of Standard Webhooks 1.0.0."""

import base64
import secrets
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer

from campaigns.models import Webhook, WebhookMessage

SECRET_BYTES = 32  # the standard asks for 24 to 64
PREFIX = "whsec_"


def new_secret() -> str:
    """Give a new secret as the standard writes it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(webhook: Webhook, message: WebhookMessage, at: datetime) -> dict[str, str]:
    """Give the headers of one attempt: the id stays, the time is the attempt's, and a secret that goes signs too."""
    signing = [webhook.secret]
    if webhook.old_secret and webhook.old_until and at < webhook.old_until:
        signing.append(webhook.old_secret)
    signed = (Signer(secret).sign(message.public_id, at.astimezone(UTC), message.body) for secret in signing)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Cusp webhooks",
        "webhook-id": message.public_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }
