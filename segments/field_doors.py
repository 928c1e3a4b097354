"""REST about what a rule may name: fields, events, segments."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door
from customers.keys import Scope
from customers.problems import refusals
from segments import picker


class OperatorSerializer(serializers.Serializer[Any]):
    """A way to look at a field, and the form of the value it takes: nothing, text, texts, number, duration ..."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    form = serializers.CharField()


class ValueSerializer(serializers.Serializer[Any]):
    """A value that customers have: a text, or true or false."""

    value = serializers.JSONField()
    count = serializers.IntegerField()


class FieldSerializer(serializers.Serializer[Any]):
    """What a rule may ask about a customer; `share` of all customers have a value."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    type = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    share = serializers.FloatField()
    values = ValueSerializer(many=True, help_text="The most frequent; none where they could tell who somebody is.")
    operators = OperatorSerializer(many=True)


class PropertySerializer(serializers.Serializer[Any]):
    """What some events of a name tell."""

    name = serializers.CharField()
    type = serializers.CharField()
    values = ValueSerializer(many=True, help_text="The most frequent in some events of each file of the history.")


class BoughtSerializer(serializers.Serializer[Any]):
    """The products and categories of the most order lines."""

    product = ValueSerializer(many=True)
    category = ValueSerializer(many=True)


class EventNameSerializer(serializers.Serializer[Any]):
    """A kind of event."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    properties = PropertySerializer(many=True)


class SegmentNameSerializer(serializers.Serializer[Any]):
    """A segment that a rule may refer to."""

    key = serializers.CharField()
    name = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)


class FieldListSerializer(serializers.Serializer[Any]):
    """Everything that a rule may name, as of the latest snapshot."""

    as_of = serializers.DateTimeField(allow_null=True)
    customers = serializers.IntegerField()
    results = FieldSerializer(many=True)
    events = EventNameSerializer(many=True)
    bought = BoughtSerializer()
    segments = SegmentNameSerializer(many=True)


class FieldsView(Door):
    """`fields/`."""

    required_scope = Scope.SEGMENTS_READ

    @extend_schema(operation_id="fields_list", responses={200: FieldListSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """List what a rule may ask, with the operators that fit and the values that customers have."""
        return Response(FieldListSerializer(picker.listed()).data)
