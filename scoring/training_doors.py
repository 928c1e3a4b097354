"""REST about trainings: asked for, and watched until they have ended."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import audit
from customers.api import Door
from customers.keys import Scope
from customers.problems import NothingSerializer, refusals
from scoring import training_queue
from scoring.doors import target_of, valid, who
from scoring.horizons import newest
from scoring.models import TrainingRun

MOST_SHOWN = 50


class TrainingSerializer(serializers.Serializer[Any]):
    """A training that was asked for: how far it is, and what came of it."""

    target = serializers.CharField(source="target.key")
    state = serializers.ChoiceField(choices=TrainingRun.State.choices)
    stage = serializers.CharField(allow_blank=True)
    portion = serializers.FloatField(help_text="Of the whole training, 0 to 1.")
    sentence = serializers.CharField(allow_blank=True, help_text="What came of it, or why it was refused.")
    version = serializers.IntegerField(source="version.number", allow_null=True, default=None)
    as_of = serializers.DateTimeField(help_text="Nothing known later is used.")
    asked_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class TrainingListSerializer(serializers.Serializer[Any]):
    """The last trainings of a target, the newest first."""

    results = TrainingSerializer(many=True)


class TrainingsView(Door):
    """`models/{target}/trainings/`."""

    required_scope = Scope.MODELS_READ
    write_scope = Scope.MODELS_WRITE

    @extend_schema(operation_id="models_trainings", responses={200: TrainingListSerializer, **refusals(400, 404)})
    def get(self, request: Request, target: str) -> Response:
        """Give the last trainings, with how far those are that have not ended."""
        runs = target_of(target).training_runs.select_related("target", "version").order_by("-pk")
        return Response(TrainingListSerializer({"results": runs[:MOST_SHOWN]}).data)

    @extend_schema(
        operation_id="models_train",
        request=NothingSerializer,
        responses={202: TrainingSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, target: str) -> Response:
        """Ask for a training on all that is known; one that waits or runs already is given instead."""
        valid(NothingSerializer(data=request.data))
        asked, now = target_of(target), timezone.now()
        with transaction.atomic():
            run = training_queue.ask(asked, newest(now))
            audit.note(now, who(request), "training asked for", str(asked))
        return Response(TrainingSerializer(run).data, status=202)
