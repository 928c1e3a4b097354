"""Keys of integrations: Bearer tokens of 256 random bits, of which only the hash is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from customers.models import ApiKey

SECRET_BYTES = 32
PER_MINUTE = 1000
NOTE_USE_EVERY = timedelta(minutes=1)
NO_HASH = hashlib.sha256(b"").hexdigest()


class Scope(models.TextChoices):
    """What a key may do."""

    CUSTOMERS_READ = "customers:read", "Read customers"
    CUSTOMERS_ERASE = "customers:erase", "Erase customers, for ever"
    SEGMENTS_READ = "segments:read", "Read segments and their members"
    SEGMENTS_WRITE = "segments:write", "Make, change and delete segments"
    MODELS_READ = "models:read", "Read targets and models"
    MODELS_WRITE = "models:write", "Make, change and delete targets; train, promote, retire and roll back models"
    CAMPAIGNS_READ = "campaigns:read", "Read campaigns, their reports, decisions and deliveries"
    CAMPAIGNS_WRITE = "campaigns:write", "Make and change campaigns; pause and stop them"
    CAMPAIGNS_SEND = "campaigns:send", "Launch, resume and widen campaigns, send by hand, resolve deliveries"
    SENDING_READ = "sending:read", "Read whether all sending is stopped"
    SENDING_WRITE = "sending:write", "Stop all sending, and start it again"
    OFFERS_READ = "offers:read", "Read offers, their codes and their reports"
    OFFERS_WRITE = "offers:write", "Make and change offers, upload their codes"
    OFFERS_REDEEM = "offers:redeem", "Redeem codes"
    CALLS_READ = "calls:read", "Read the call queue, with the numbers to call"
    CALLS_WRITE = "calls:write", "Claim and release calls, and write down what came of them"
    CONSENTS_WRITE = "consents:write", "Grant and withdraw consents of customers"
    SUPPRESSIONS_READ = "suppressions:read", "Read which addresses must not be contacted"
    SUPPRESSIONS_WRITE = "suppressions:write", "Close and open addresses"
    WEBHOOKS_READ = "webhooks:read", "Read webhooks and what was sent to them"
    WEBHOOKS_WRITE = "webhooks:write", "Make, change and delete webhooks; send messages again"
    EVENTS_WRITE = "events:write", "Send customers and events"
    SOURCES_READ = "sources:read", "Read where customers and events come from"
    SOURCES_WRITE = "sources:write", "Make and change sources"
    IMPORTS_READ = "imports:read", "Read which files were imported, and what became of their lines"
    IMPORTS_WRITE = "imports:write", "Schedule imports from folders and addresses"
    QUALITY_READ = "quality:read", "Read how good the data of each field is"


# What somebody must be allowed to do before giving it to a key.
NEEDED: dict[str, str] = {
    Scope.CUSTOMERS_READ: "customers.view_customer",
    Scope.CUSTOMERS_ERASE: "customers.delete_customer",
    Scope.SEGMENTS_READ: "segments.add_segmentexport",  # members can be read out
    Scope.SEGMENTS_WRITE: "segments.change_segment",
    Scope.MODELS_READ: "scoring.view_target",
    Scope.MODELS_WRITE: "scoring.change_modelversion",
    Scope.CAMPAIGNS_READ: "campaigns.view_decision",
    Scope.CAMPAIGNS_WRITE: "campaigns.change_campaign",
    Scope.CAMPAIGNS_SEND: "campaigns.launch_campaign",
    Scope.SENDING_READ: "campaigns.view_programme",
    Scope.SENDING_WRITE: "campaigns.stop_programme",
    Scope.OFFERS_READ: "campaigns.view_offercode",
    Scope.OFFERS_WRITE: "campaigns.change_offer",
    Scope.OFFERS_REDEEM: "campaigns.redeem_offercode",
    Scope.CALLS_READ: "campaigns.view_calltask",
    Scope.CALLS_WRITE: "campaigns.change_calltask",
    Scope.CONSENTS_WRITE: "customers.change_consent",
    Scope.SUPPRESSIONS_READ: "customers.view_suppression",
    Scope.SUPPRESSIONS_WRITE: "customers.delete_suppression",
    Scope.WEBHOOKS_READ: "campaigns.view_webhookmessage",
    Scope.WEBHOOKS_WRITE: "campaigns.change_webhook",
    Scope.EVENTS_WRITE: "customers.add_event",
    Scope.SOURCES_READ: "customers.view_source",
    Scope.SOURCES_WRITE: "customers.change_source",
    Scope.IMPORTS_READ: "customers.view_import",
    Scope.IMPORTS_WRITE: "customers.change_feed",
    Scope.QUALITY_READ: "customers.view_fieldquality",
}


def grantable(has_perm: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Give the scopes, with their labels, that somebody with these permissions may give to a key."""
    return [(one.value, str(one.label)) for one in Scope if has_perm(NEEDED[one])]


def create(
    name: str, scopes: Iterable[str], at: datetime, *, expires_at: datetime | None = None, per_minute: int = PER_MINUTE
) -> tuple[ApiKey, str]:
    """Store a new key and give it with its secret, `prefix.secret`, which is never shown again.

    Raises ValueError for a scope that does not exist.
    """
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in Scope.values]
    if unknown:
        raise ValueError(f"no scope named {unknown[0]!r}; there are {', '.join(Scope.values)}")
    prefix = f"ck_{secrets.token_hex(4)}"
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey.objects.create(
        name=name,
        prefix=prefix,
        secret_hash=_hash(secret),
        scopes=wanted,
        created_at=at,
        expires_at=expires_at,
        per_minute=per_minute,
    )
    return key, f"{prefix}.{secret}"


def revoke(key: ApiKey, at: datetime) -> bool:
    """End a key now and for ever. Give False if it was ended before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at))


def find(token: str) -> ApiKey | None:
    """Give the key of a token, if the secret is right and the key is in force by the database's clock."""
    prefix, _, secret = token.partition(".")
    is_possible = prefix.isascii() and prefix.isprintable()
    key = next(iter(ApiKey.objects.raw(_question(), [prefix])), None) if is_possible else None
    is_right = hmac.compare_digest(_hash(secret), key.secret_hash if key else NO_HASH)
    return key if key and secret and is_right else None


@cache
def _question() -> str:
    """Give what asks for the key in force of a prefix; every call asks, and to compose it takes longer than that."""
    in_force = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=Now()))
    return ApiKey.objects.filter(in_force, prefix="").query.sql_with_params()[0]


def note_use(key: ApiKey, at: datetime) -> None:
    """Write when the key was last used, at most once a minute; the rest of the time nothing is asked."""
    if key.last_used_at is not None and key.last_used_at > at - NOTE_USE_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - NOTE_USE_EVERY)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=Now())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer prefix.secret`. The key stands in `request.auth`; there is no user."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        """Give the key of the request, or None where no Bearer token came."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        key = find(parts[1].decode("latin-1")) if len(parts) == 2 else None
        if key is None:
            raise AuthenticationFailed("This key is not known, has expired or was revoked.")
        note_use(key, timezone.now())
        return None, key

    def authenticate_header(self, request: Request) -> str:
        """Give the challenge of a 401."""
        return 'Bearer realm="Cusp"'


class HasScope(BasePermission):
    """Lets a key through that has the view's `required_scope`, or `write_scope` for methods that change something.

    A view without a scope lets nobody through.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        """Say whether the request's key has the scope."""
        scope = scope_of(view, request.method or "")
        held: list[str] = request.auth.scopes if isinstance(request.auth, ApiKey) else []
        self.message = f"This needs a key with the scope {scope}."
        return scope in held


def scope_of(view: object, method: str) -> str | None:
    """Give the scope that a view asks for in a method."""
    required: str | None = getattr(view, "required_scope", None)
    return required if method in SAFE_METHODS else getattr(view, "write_scope", required)


def changes_something(view: object, method: str) -> bool:
    """Say whether a method does more than read: some questions are too long for an address, and come as a POST."""
    return method not in SAFE_METHODS and not str(scope_of(view, method)).endswith(":read")
