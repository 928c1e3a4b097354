"""Keys open what their scopes say, until they expire or are revoked; only a hash is kept."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from customers import keys
from customers.models import ApiKey

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_secret_is_not_stored() -> None:
    key, secret = keys.create("shop", ["segments:read"], AT)
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    assert secret.split(".")[1] not in str(stored)
    assert keys.find(secret) == key


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "x", lambda s: s.split(".")[0], lambda s: "", str.upper]
)
def test_a_secret_that_is_nearly_right_opens_nothing(change: object) -> None:
    _, secret = keys.create("shop", [], AT)
    assert callable(change)
    assert keys.find(change(secret)) is None


@pytest.mark.parametrize("token", ["\x00.\x00", "é.x", "." * 50, "ck_00000000.x", "\ud800"])
def test_a_token_of_nonsense_opens_nothing(token: str) -> None:
    assert keys.find(token) is None


def test_a_key_ends_when_it_expires() -> None:
    _, over = keys.create("old", [], AT, expires_at=AT + timedelta(days=1))
    _, lasting = keys.create("new", [], AT, expires_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert keys.find(over) is None
    assert keys.find(lasting) is not None


def test_a_revoked_key_opens_nothing() -> None:
    key, secret = keys.create("shop", [], AT)
    assert keys.revoke(key, AT)
    assert keys.find(secret) is None
    assert not keys.revoke(key, AT)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="no scope named 'everything'"):
        keys.create("shop", ["everything"], AT)


def test_the_last_use_is_written_at_most_once_a_minute() -> None:
    key, _ = keys.create("shop", [], AT)
    keys.note_use(key, timezone.now())
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    keys.note_use(key, timezone.now())
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    key.refresh_from_db()
    keys.note_use(key, timezone.now())
    key.refresh_from_db()
    assert key.last_used_at >= first
