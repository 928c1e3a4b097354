"""Who asks about feeds: a program with a key, and somebody who may do everything with them."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from customers import keys


@pytest.fixture
def headers() -> dict[str, str]:
    """Give the headers of a program that may import."""
    _, secret = keys.create("shop", ["imports:read", "imports:write"], timezone.now())
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def staff(client: Client) -> Client:
    """Give a client who is logged in."""
    user = User.objects.create_user("integrator", is_staff=True)
    for name in ("view_import", "view_feed", "add_feed", "change_feed", "delete_feed"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    client.force_login(user)
    return client
