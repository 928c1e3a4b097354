"""The devices that push messages reach: told and taken away over REST, each of one customer at a time."""

import pytest
from django.test import Client

from customers import devices, keys
from customers.models import Customer
from tests.campaigns import people

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def asking() -> Client:
    _, token = keys.create("app", ["customers:read", "consents:write"], people.T0)
    return Client(headers={"authorization": f"Bearer {token}"})


def tell(client: Client, who: Customer, token: object) -> int:
    path = f"/api/v1/customers/{who.external_id}/devices/"
    return client.post(path, {"token": token}, content_type="application/json").status_code


def test_a_device_is_told_moves_to_its_new_owner_and_goes() -> None:
    client, (first, second) = asking(), people.customers(2)
    assert [tell(client, first, "t-1"), tell(client, first, "t-1"), tell(client, first, "t/2")] == [200] * 3
    assert devices.of([first.pk]) == {first.pk: ["t-1", "t/2"]}
    assert tell(client, second, "t-1") == 200
    assert devices.of([first.pk, second.pk]) == {first.pk: ["t/2"], second.pk: ["t-1"]}
    path = f"/api/v1/customers/{first.external_id}/devices/"
    assert [one["token"] for one in client.get(path).json()["devices"]] == ["t/2"]
    assert [client.delete(f"{path}t/2/").status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize("token", ["", "a b", "x" * 201, None, "a\x00b"])
def test_a_token_that_is_none_is_refused(token: object) -> None:
    client, (who,) = asking(), people.customers(1)
    assert tell(client, who, token) == 400
