"""What the REST doors of models share: a target and a version by their names, the ETag, and refusals."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from customers.models import ApiKey
from customers.problems import Problem
from scoring.models import ModelVersion, Target
from scoring.targets import TargetError
from scoring.versions import VersionError

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag of the version as it was read: 412 where its state changed since. Without it, any will do.",
)


def target_of(key: str) -> Target:
    """Give a target by its key; raises Http404."""
    target = Target.objects.filter(key=key.replace("\x00", "")).first()
    if target is None:
        raise Http404("No target has this key.")
    return target


def version_of(key: str, number: int) -> ModelVersion:
    """Give a version of a target by its number; raises Http404."""
    version = target_of(key).versions.select_related("target", "before").filter(number=min(number, 1 << 30)).first()
    if version is None:
        raise Http404("The target has no such version.")
    return version


def etag(version: ModelVersion) -> dict[str, str]:
    """Give the headers that say in which state a version was answered."""
    state = f"{version.pk} {version.state} {version.live_since} {version.retired_at} {version.reason}"
    return {"ETag": f'"{hashlib.sha256(state.encode()).hexdigest()[:16]}"'}


def check_unchanged(request: Request, version: ModelVersion) -> None:
    """Refuse a request whose If-Match is of another state of the version."""
    told = [one.strip().removeprefix("W/") for one in request.headers.get("If-Match", "*").split(",")]
    if "*" not in told and etag(version)["ETag"] not in told:
        raise Problem(412, "changed", f"{version} was changed since you read it: it is {version.get_state_display()}.")


def who(request: Request) -> ApiKey:
    """Give the key of a request, which every door asks for."""
    assert isinstance(request.auth, ApiKey)
    return request.auth


@contextmanager
def refusing() -> Iterator[None]:
    """Do something as one commit, or answer why not."""
    try:
        with transaction.atomic():
            yield
    except VersionError as error:
        raise Problem(409, "not_possible", str(error)) from error
    except TargetError as error:
        raise Problem(409, "bad_target", str(error)) from error


def valid(serializer: Any) -> dict[str, Any]:
    """Give the checked body of a request."""
    serializer.is_valid(raise_exception=True)
    checked: dict[str, Any] = serializer.validated_data
    return checked
