"""REST about one customer's scores, with the reasons where they are asked for."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door, customer_of
from customers.keys import Scope
from customers.problems import Problem, refusals
from scoring import why
from scoring.api import ScoreSerializer, scores_of
from scoring.doors import target_of

YES_NO = {"true": True, "false": False}


class ReasonsSerializer(serializers.Serializer[Any]):
    """What raises a score and what lowers it, the weightiest first."""

    up = serializers.ListField(child=serializers.CharField())
    down = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField(
        allow_blank=True, help_text="What is to be said of the reasons, or why there are none."
    )


class ExplainedSerializer(ScoreSerializer):
    """A model's output for one customer, with its reasons where they were asked for."""

    version = serializers.IntegerField()
    reasons = ReasonsSerializer(required=False)


class ExplainedListSerializer(serializers.Serializer[Any]):
    """All scores of a customer."""

    results = ExplainedSerializer(many=True)


class ScoresView(Door):
    """`customers/{external_id}/scores/`."""

    required_scope = Scope.CUSTOMERS_READ
    parameters: ClassVar[set[str]] = {"reasons", "target"}

    @extend_schema(
        operation_id="customers_scores",
        parameters=[
            OpenApiParameter("reasons", OpenApiTypes.BOOL, description="true adds what raises and lowers each score."),
            OpenApiParameter("target", OpenApiTypes.STR, description="Only the score of the target with this key."),
        ],
        responses={200: ExplainedListSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, external_id: str) -> Response:
        """Give a customer's published scores with percentile, rank and band."""
        text, key = request.query_params.get("reasons", "false"), request.query_params.get("target")
        if text not in YES_NO:
            message = "reasons must be true or false."
            raise Problem(400, "bad_reasons", message, [{"path": "reasons", "code": "bad_reasons", "message": message}])
        customer = customer_of(external_id)
        keys = [target_of(key).key] if key else None
        found = scores_of([customer.pk], keys).get(customer.pk, [])
        if YES_NO[text]:
            told = why.of_customer(customer, keys)
            found = [{**one, "reasons": told[one["target"]]._asdict()} for one in found if one["target"] in told]
        return Response(ExplainedListSerializer({"results": found}).data)
