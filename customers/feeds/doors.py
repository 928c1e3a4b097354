"""REST about scheduled imports: which there are, made, changed, looked at at once, and deleted."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import tags
from customers.api import Door, who
from customers.feeds import keeping
from customers.feeds.keeping import FeedError
from customers.feeds.logins import LONGEST
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.models import Feed, Import
from customers.models.feeds import LONGEST_MINUTES
from customers.problems import Problem, StrictSerializer, refusals

TOLD_LOGIN = {"url", "folder", "login", "login_name", "secret"}
LISTING = Listing("feeds", sorts={"name": "name"}, narrowed={"kind": Narrowed("kind", Import.Kind.values)})


class FeedInSerializer(StrictSerializer):
    """A scheduled import as it is sent here: one place, one rhythm, and the import that tells how files are read."""

    name = serializers.CharField(max_length=120)
    like = serializers.CharField(
        max_length=32, help_text="The id of an import by the page that went well: files are read as that one was."
    )
    folder = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="Below a folder that the operator named; or `url`."
    )
    pattern = serializers.CharField(
        max_length=100, allow_blank=True, default="", help_text="How files of the folder are called: orders-*.csv."
    )
    url = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="Begins with https:// and leads to the open internet."
    )
    login = serializers.ChoiceField(
        choices=Feed.Login.choices,
        allow_blank=True,
        default="",
        help_text="How the address lets us in; needs `secret`.",
    )
    login_name = serializers.CharField(
        max_length=100, allow_blank=True, default="", help_text="The user's name (basic), or the header's (header)."
    )
    secret = serializers.CharField(
        max_length=LONGEST,
        write_only=True,
        required=False,
        trim_whitespace=False,
        help_text="The password or token: sealed, never given out, sent to the host of `url` alone, dropped with it.",
    )
    every_minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, allow_null=True, default=None, help_text="This, or `daily_at`."
    )
    daily_at = serializers.TimeField(
        allow_null=True, default=None, help_text="By the clock of the installation; this, or `every_minutes`."
    )
    is_paused = serializers.BooleanField(default=False)


class FeedSerializer(serializers.Serializer[Any]):
    """A scheduled import, and how it stands."""

    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    source = serializers.CharField(source="source.key", help_text="The key of the source of its records.")  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=Import.Kind.choices)
    folder = serializers.CharField()
    pattern = serializers.CharField()
    url = serializers.CharField()
    login = serializers.ChoiceField(
        choices=Feed.Login.choices, allow_blank=True, help_text="How the address lets us in; its secret is kept."
    )
    login_name = serializers.CharField()
    every_minutes = serializers.IntegerField(allow_null=True)
    daily_at = serializers.TimeField(allow_null=True)
    is_paused = serializers.BooleanField()
    mapping = serializers.DictField(help_text="How its files are read.")
    look_error = serializers.CharField(help_text="Why the last look brought nothing; empty where all was well.")
    import_error = serializers.CharField(help_text="Why nothing of the last file was stored; empty where it was.")
    last_at = serializers.DateTimeField(allow_null=True)
    next_at = serializers.DateTimeField()
    last_import = serializers.SerializerMethodField(allow_null=True, help_text="The id of its last import.")

    def get_last_import(self, feed: Feed) -> str | None:
        """Give the id of the import of the file that was taken last."""
        last = feed.files.select_related("of_import").order_by("-pk").first()
        return last.of_import.public_id if last and last.of_import else None


class FeedPageSerializer(serializers.Serializer[Any]):
    """A page of scheduled imports."""

    results = FeedSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class FeedDoor(Door):
    """What all doors of scheduled imports ask for."""

    required_scope = Scope.IMPORTS_READ
    write_scope = Scope.IMPORTS_WRITE


class FeedsView(FeedDoor):
    """`feeds/`."""

    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="feeds_list",
        parameters=LISTING.described,
        responses={200: FeedPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the scheduled imports."""
        rows = Feed.objects.select_related("source")
        return LISTING.page(request, rows, lambda found: FeedSerializer(found, many=True).data)

    @extend_schema(
        operation_id="feeds_create",
        request=FeedInSerializer,
        responses={201: FeedSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Schedule an import; it is looked at within seconds."""
        body = FeedInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        feed = Feed()
        try:
            _fill(feed, body.validated_data)
            keeping.add(feed, who(request), timezone.now())
        except FeedError as error:
            raise _refused(error) from error
        return _answer(feed, 201)


class FeedView(FeedDoor):
    """`feeds/{id}/`."""

    @extend_schema(operation_id="feeds_retrieve", responses={200: FeedSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one scheduled import; its ETag says which state of it this is, and changes with every look."""
        return _answer(_found(public_id))

    @extend_schema(
        operation_id="feeds_change",
        request=FeedInSerializer(partial=True),
        parameters=[tags.IF_MATCH],
        responses={200: FeedSerializer, **refusals(400, 404, 409, 412)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Change it, pause it or let it go on; it is looked at within seconds."""
        body = FeedInSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        try:
            _fill(_found(public_id), body.validated_data)  # asks the name server, so before anything is locked
            with transaction.atomic():
                feed = _found(public_id, is_locked=True)
                _check_tag(request, feed)
                _set(feed, body.validated_data)
                keeping.store(feed, who(request), timezone.now())
        except FeedError as error:
            raise _refused(error) from error
        return _answer(feed)

    @extend_schema(
        operation_id="feeds_delete",
        parameters=[tags.IF_MATCH],
        responses={204: None, **refusals(400, 404, 412)},
    )
    def delete(self, request: Request, public_id: str) -> Response:
        """Delete it; what it imported stays."""
        with transaction.atomic():
            feed = _found(public_id, is_locked=True)
            _check_tag(request, feed)
            keeping.remove(feed, who(request), timezone.now())
        return Response(status=204)


class RunView(FeedDoor):
    """`feeds/{id}/run/`."""

    required_scope = Scope.IMPORTS_WRITE

    @extend_schema(operation_id="feeds_run", request=None, responses={202: FeedSerializer, **refusals(400, 404, 409)})
    def post(self, request: Request, public_id: str) -> Response:
        """Look within seconds; files of which nothing was stored are taken again. 409 where it is paused."""
        feed = _found(public_id)
        try:
            keeping.run(feed, who(request), timezone.now())
        except FeedError as error:
            raise Problem(409, "paused", str(error)) from error
        return _answer(_found(public_id), 202)


def _fill(feed: Feed, told: dict[str, Any]) -> None:
    """Set what was sent, and refuse what cannot be. Raises FeedError."""
    _set(feed, told)
    keeping.check(feed)


def _set(feed: Feed, told: dict[str, Any]) -> None:
    for name, value in told.items():
        if name not in ("like", "secret"):
            setattr(feed, name, value)
    if not TOLD_LOGIN.isdisjoint(told):
        keeping.login(feed, told.get("secret", ""))
    if "like" in told:
        model = Import.objects.filter(public_id=told["like"]).first()
        if model is None:
            raise FeedError("like", f"There is no import {told['like']!r}.")
        keeping.like(feed, model)


def _answer(feed: Feed, status: int = 200) -> Response:
    told = FeedSerializer(feed).data
    return Response(told, status=status, headers=tags.header(told))


def _check_tag(request: Request, feed: Feed) -> None:
    tags.check(request, tags.tag(FeedSerializer(feed).data), "The scheduled import")


def _refused(error: FeedError) -> Problem:
    status, code = (409, "taken") if error.is_taken else (400, "bad_feed")
    return Problem(status, code, error.message, [{"path": error.path, "code": code, "message": error.message}])


def _found(public_id: str, *, is_locked: bool = False) -> Feed:
    rows = Feed.objects.select_for_update(of=("self",)) if is_locked else Feed.objects.all()
    feed = rows.select_related("source").filter(public_id=public_id.replace("\x00", "")).first()
    if feed is None:
        raise Http404("No scheduled import has this id.")
    return feed
