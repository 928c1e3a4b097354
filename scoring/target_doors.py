"""REST about targets: the ready questions, targets made of answers, counted before they are stored, used, deleted."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import tags
from customers.api import Door
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.problems import NEVER, Problem, StrictSerializer, refusals
from scoring import counts, questions, removal, targets
from scoring.api import TargetPageSerializer, TargetSerializer, figures_of
from scoring.conditions import TargetError
from scoring.models import ModelVersion, Target
from scoring.questions import QUESTIONS, Answer, Type

KEY = r"^[-a-zA-Z0-9_]+\Z"
LISTING = Listing(
    "targets",
    sorts={"key": "key", "label": "label", "created_at": "created_at"},
    narrowed={"kind": Narrowed("kind", Target.Kind.values)},
)
USE = ("label", "is_active", *targets.MONEY, "excluded", "vouched", "retrain_days", "rescore_hours")
MEANT = ("event", "where", "horizon_days", "attribute", "equals", "who")  # what a question's answers tell
IF_MATCH = OpenApiParameter(
    "If-Match",
    tags.FORM,
    OpenApiParameter.HEADER,
    description="The ETag of the target as it was read: 412 where somebody changed it since. Without it, any will do.",
)


class AnswerSerializer(serializers.Serializer[Any]):
    """One thing that a question asks. Without a default it must be given, unless it is optional."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    type = serializers.ChoiceField(choices=[(one.value, one.value) for one in Type])
    help = serializers.CharField(allow_blank=True)
    default = serializers.SerializerMethodField(
        "default_of", help_text="Of the answer's type; null where there is none."
    )
    is_optional = serializers.BooleanField()
    choices = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))

    def default_of(self, answer: Answer) -> str | int | None:
        """Give the default."""
        return answer.default


class QuestionSerializer(serializers.Serializer[Any]):
    """A ready question: some answers make a target."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    help = serializers.CharField()
    answers = AnswerSerializer(many=True, source="all_answers")


class QuestionListSerializer(serializers.Serializer[Any]):
    """All ready questions."""

    results = QuestionSerializer(many=True)


class UseSerializer(StrictSerializer):
    """How a target is used: what it foresees stays what it was."""

    label = serializers.CharField(required=False, max_length=120)  # type: ignore[assignment]
    is_active = serializers.BooleanField(required=False)
    value = serializers.FloatField(required=False, allow_null=True, min_value=0.0)
    contact_cost = serializers.FloatField(required=False, allow_null=True, min_value=0.0)
    offer_cost = serializers.FloatField(required=False, allow_null=True, min_value=0.0)
    save_rate = serializers.FloatField(required=False, allow_null=True, min_value=0.0, max_value=1.0)
    excluded = serializers.ListField(child=serializers.CharField(max_length=120), required=False, max_length=1000)
    vouched = serializers.ListField(child=serializers.CharField(max_length=120), required=False, max_length=1000)
    retrain_days = serializers.IntegerField(required=False, min_value=0, max_value=3650)
    rescore_hours = serializers.IntegerField(required=False, min_value=0, max_value=8760)


class TargetInSerializer(UseSerializer):
    """A target as it is sent here: a ready question with its answers, or all that it means."""

    key = serializers.RegexField(KEY, max_length=60, required=False)
    question = serializers.CharField(required=False, help_text="The name of a ready question; see targets/questions/.")
    answers = serializers.DictField(required=False, help_text='{"event": "Order Completed", "horizon_days": 90}')
    kind = serializers.ChoiceField(choices=Target.Kind.choices, required=False)
    event = serializers.CharField(required=False, max_length=120)
    where = serializers.ListField(child=serializers.DictField(), required=False, max_length=20)
    horizon_days = serializers.IntegerField(required=False, allow_null=True)
    attribute = serializers.CharField(required=False, max_length=100)
    equals = serializers.CharField(required=False, max_length=200)
    who = serializers.ListField(child=serializers.DictField(), required=False, max_length=20)
    between: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"required": ["question"], "properties": dict.fromkeys(("kind", *MEANT), NEVER)},
            {"required": ["kind"], "properties": {"question": NEVER, "answers": NEVER}},
        ]
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take a question or a kind, and not both."""
        if ("question" in attrs) == ("kind" in attrs):
            raise serializers.ValidationError({"question": "Send a question with its answers, or a kind: one of both."})
        meant = [name for name in MEANT if name in attrs]
        if "question" in attrs and meant:
            raise serializers.ValidationError({meant[0]: "The question's answers tell this."})
        if "kind" in attrs and "answers" in attrs:
            raise serializers.ValidationError({"answers": "A kind has no answers."})
        return attrs


class CountSerializer(serializers.Serializer[Any]):
    """What a target has to learn from; `refusal` says what is missing, if anything is."""

    label = serializers.CharField()  # type: ignore[assignment]
    key = serializers.CharField()
    customers = serializers.IntegerField()
    positives = serializers.IntegerField(help_text="Cases in all windows that came true.")
    share = serializers.FloatField()
    windows = serializers.IntegerField(help_text="Closed windows; 0 where the target has no time.")
    refusal = serializers.CharField(allow_blank=True)


class QuestionsView(Door):
    """`targets/questions/`."""

    required_scope = Scope.MODELS_READ

    @extend_schema(operation_id="targets_questions", responses={200: QuestionListSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """List the ready questions with what each asks."""
        return Response(QuestionListSerializer({"results": QUESTIONS}).data)


class TargetsView(Door):
    """`targets/`."""

    required_scope = Scope.MODELS_READ
    write_scope = Scope.MODELS_WRITE

    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="targets_list",
        parameters=LISTING.described,
        responses={200: TargetPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the targets with their live models and figures."""
        rows = Target.objects.all()
        return LISTING.page(request, rows, lambda found: TargetSerializer(_shown(found), many=True).data)

    @extend_schema(
        operation_id="targets_create",
        request=TargetInSerializer,
        responses={201: TargetSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make a target; a training makes its model."""
        target = _asked(request)
        with transaction.atomic():
            if Target.objects.filter(key=target.key).exists():
                place = {"path": "key", "code": "taken", "message": "Another target has this key."}
                raise Problem(409, "taken", f"Another target has the key {target.key!r}.", [place])
            target.save()
        return _answer(target, status=201)


class CountView(Door):
    """`targets/count/`."""

    required_scope = Scope.MODELS_READ

    @extend_schema(
        operation_id="targets_count",
        request=TargetInSerializer,
        responses={200: CountSerializer, **refusals(400)},
    )
    def post(self, request: Request) -> Response:
        """Count what a target would have to learn from, without storing it."""
        target = _asked(request)
        counted = counts.count(target, timezone.now())._asdict()
        return Response(CountSerializer({"label": target.label, "key": target.key, **counted}).data)


class TargetView(Door):
    """`targets/{key}/`."""

    required_scope = Scope.MODELS_READ
    write_scope = Scope.MODELS_WRITE

    @extend_schema(operation_id="targets_retrieve", responses={200: TargetSerializer, **refusals(400, 404)})
    def get(self, request: Request, key: str) -> Response:
        """Give one target; its ETag says which state of it this is."""
        return _answer(_target(key))

    @extend_schema(
        operation_id="targets_update",
        request=UseSerializer(partial=True),
        parameters=[IF_MATCH],
        responses={200: TargetSerializer, **refusals(400, 404, 412)},
    )
    def patch(self, request: Request, key: str) -> Response:
        """Change how a target is used: money, fields, how often. To foresee something else, make another."""
        serializer = UseSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic(), _refusing():
            target = _target(key, is_locked=True)
            _check_match(request, target)
            for name, told in serializer.validated_data.items():
                setattr(target, name, told)
            targets.check(target)
            target.save(update_fields=list(serializer.validated_data))
        return _answer(target)

    @extend_schema(
        operation_id="targets_delete",
        parameters=[IF_MATCH],
        responses={204: None, **refusals(400, 404, 409, 412)},
    )
    def delete(self, request: Request, key: str) -> Response:
        """Delete a target that nothing uses, with its models and scores."""
        with transaction.atomic():
            target = _target(key, is_locked=True)
            _check_match(request, target)
            try:
                removal.delete(target)
            except removal.TargetInUse as error:
                using = [{"path": "", "code": "in_use", "message": one} for one in error.users]
                raise Problem(409, "in_use", str(error), using) from error
        return Response(status=204)


def _target(key: str, *, is_locked: bool = False) -> Target:
    rows = Target.objects.select_for_update() if is_locked else Target.objects.all()
    target = rows.filter(key=key.replace("\x00", "")).first()
    if target is None:
        raise Http404("No target has this key.")
    return target


def _asked(request: Request) -> Target:
    """Give the target that a body describes, checked, not stored."""
    serializer = TargetInSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    body: dict[str, Any] = serializer.validated_data
    at = timezone.now()
    use = {name: body[name] for name in USE if name in body}
    if "question" in body:
        told = {**body.get("answers", {}), **({"key": body["key"]} if "key" in body else {})}
        with _refusing("answers."):
            target = questions.make(body["question"], told, at)
    else:
        target = Target(created_at=at, **{name: told for name, told in body.items() if name not in USE})
    for name, told in use.items():
        setattr(target, name, told)
    target.label = target.label or f"{target.event or target.attribute}, {target.get_kind_display().lower()}"[:120]
    with _refusing():
        target.key = target.key or targets.free_key(target.label, target)
        targets.check(target)
    return target


@contextmanager
def _refusing(prefix: str = "") -> Iterator[None]:
    """Answer what is wrong with a target, with the place in the body; `prefix` is where the answers stand."""
    try:
        yield
    except TargetError as error:
        is_top = not error.answer or error.answer in ("question", "key")
        path = error.answer if is_top else f"{prefix}{error.answer}"
        raise Problem(
            400, "bad_target", str(error), [{"path": path, "code": "bad_target", "message": str(error)}]
        ) from error


def _shown(found: list[Target]) -> list[Target]:
    """Give targets with their live version, its figures, and what campaigns measured."""
    prefetch_related_objects(found, "measured_rate")
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE, target__in=found)
    versions = {version.target_id: version for version in live}
    figures = figures_of(list(versions.values()))
    for target in found:
        version = versions.get(target.pk)
        target.live = version  # type: ignore[attr-defined]
        if version is not None:
            version.figures = figures.get(version.pk, {})  # type: ignore[attr-defined]
    return found


def _answer(target: Target, status: int = 200) -> Response:
    return Response(TargetSerializer(_shown([target])[0]).data, status=status, headers={"ETag": f'"{_state(target)}"'})


def _state(target: Target) -> str:
    """Give a name to the state that a target is in: another one after every change."""
    told = {name: getattr(target, name) for name in (*targets.MEANING, "who", "key", *USE)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _check_match(request: Request, target: Target) -> None:
    tags.check(request, _state(target), f"Target '{target.key}'")
