"""REST about trainings: asked for, and watched until they have ended."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import audit
from customers.api import Door
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.problems import NothingSerializer, refusals
from scoring import training_queue
from scoring.doors import target_of, valid, who
from scoring.horizons import newest
from scoring.models import TrainingRun

LISTING = Listing(
    "trainings",
    {"asked_at": "asked_at"},
    {"state": Narrowed("state", TrainingRun.State.values)},
    is_newest_first=True,
)


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


class TrainingPageSerializer(serializers.Serializer[Any]):
    """A page of a target's trainings, the newest first."""

    results = TrainingSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class TrainingsView(Door):
    """`models/{target}/trainings/`."""

    required_scope = Scope.MODELS_READ
    write_scope = Scope.MODELS_WRITE
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="models_trainings",
        parameters=LISTING.described,
        responses={200: TrainingPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, target: str) -> Response:
        """List the trainings, the newest first, with how far those are that have not ended."""
        asked = target_of(target)
        listing = replace(LISTING, name=f"trainings of {asked.key}")
        runs = asked.training_runs.select_related("target", "version")
        return listing.page(request, runs, lambda found: TrainingSerializer(found, many=True).data)

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
