"""REST about the devices of a customer, which push messages reach: told by her app, and taken away."""

from typing import Any

import polars as pl
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import audit, devices
from customers.api import Door, customer_of, who
from customers.keys import Scope
from customers.models import Customer, Identity
from customers.problems import StrictSerializer, refusals


class DeviceSerializer(serializers.Serializer[Any]):
    """A device: its token, and since when it is this customer's."""

    token = serializers.CharField(source="value")
    known_at = serializers.DateTimeField()


class DevicesSerializer(serializers.Serializer[Any]):
    """All devices of a customer."""

    devices = DeviceSerializer(many=True)


class DeviceInSerializer(StrictSerializer):
    """A device's token, as its push service gave it."""

    token = serializers.RegexField(r"^[\x21-\x7e]+$", max_length=devices.LONGEST)


class DevicesView(Door):
    """`customers/{external_id}/devices/`."""

    required_scope = Scope.CUSTOMERS_READ
    write_scope = Scope.CONSENTS_WRITE

    @extend_schema(operation_id="customers_devices", responses={200: DevicesSerializer, **refusals(400, 404)})
    def get(self, request: Request, external_id: str) -> Response:
        """Give the devices, the one known longest first."""
        return Response(_devices(customer_of(external_id)))

    @extend_schema(
        operation_id="customers_devices_tell",
        request=DeviceInSerializer,
        responses={200: DevicesSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, external_id: str) -> Response:
        """Tell a device. One that was another customer's is this one's now; telling it again changes nothing."""
        body = DeviceInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        customer, now = customer_of(external_id), timezone.now()
        rows = pl.DataFrame([(customer.pk, body.validated_data["token"])], schema=devices.DEVICES, orient="row")
        if devices.store(rows, now):
            audit.note(now, who(request), "device told", customer.public_id)
        return Response(_devices(customer))


class DeviceView(Door):
    """`customers/{external_id}/devices/{token}/`."""

    required_scope = Scope.CUSTOMERS_READ
    write_scope = Scope.CONSENTS_WRITE

    @extend_schema(operation_id="customers_devices_delete", responses={204: None, **refusals(400, 404)})
    def delete(self, request: Request, external_id: str, token: str) -> Response:
        """Forget a device: no push message goes there any more."""
        customer = customer_of(external_id)
        if token not in devices.of([customer.pk]).get(customer.pk, []):
            raise Http404("This customer has no such device.")
        devices.remove(token)
        audit.note(timezone.now(), who(request), "device forgotten", customer.public_id)
        return Response(status=204)


def _devices(customer: Customer) -> Any:
    found = Identity.objects.filter(customer=customer, kind=devices.DEVICE).order_by("known_at", "pk")
    return DevicesSerializer({"devices": found}).data
