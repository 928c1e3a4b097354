"""What the REST doors of segments share: a segment by its id, its ETag, and the answer where something is wrong."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from customers.models import ApiKey
from customers.problems import Problem
from segments.definition import SegmentChanged, SegmentInUse
from segments.everybody import NoSnapshot
from segments.lists import ListError
from segments.models import Segment
from segments.overlap import CannotCompare, NotCounted
from segments.pins import TooManyPins
from segments.rules import RuleError
from segments.rules.meaning import NeedsFullCycle
from segments.why import NotYetKnown

ONE = r'(W/)?"[0-9]{1,9}"'  # weak where a proxy packed the answer
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": rf"^(\*|{ONE}( *, *{ONE})*)?$"},
    OpenApiParameter.HEADER,
    description="The ETag of the segment as it was read: 412 where somebody changed it since. Without it, any will do.",
)
ETAG = re.compile(r'"([0-9]{1,9})"')
ETAGS = re.compile(rf"{ONE}( *, *{ONE})*\Z")


def segment_of(public_id: str, *, is_locked: bool = False) -> Segment:
    """Give a segment by public id; raises Http404. Held until the commit with `is_locked`."""
    rows = Segment.objects.select_for_update() if is_locked else Segment.objects.all()
    segment = rows.filter(public_id=public_id.replace("\x00", "")).first()
    if segment is None:
        raise Http404("No segment has this id.")
    return segment


def etag(segment: Segment) -> dict[str, str]:
    """Give the headers that say which edition of a segment was answered."""
    return {"ETag": f'"{segment.edition}"'}


def edition(request: Request, segment: Segment) -> int | None:
    """Give the edition that a request's If-Match asks for; None where any will do."""
    told = request.headers.get("If-Match", "").strip()
    if told in ("", "*"):
        return None
    if not ETAGS.match(told):
        raise Problem(400, "bad_etag", 'If-Match must be an ETag that was given out here, such as "3".')
    editions = [int(found) for found in ETAG.findall(told)]
    return segment.edition if segment.edition in editions else editions[0]


def who(request: Request) -> ApiKey:
    """Give the key of a request, which every door asks for."""
    assert isinstance(request.auth, ApiKey)
    return request.auth


def valid(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """Give the checked body of a request."""
    serializer.is_valid(raise_exception=True)
    checked: dict[str, Any] = serializer.validated_data
    return checked


@contextmanager
def refusing(key: str = "") -> Iterator[None]:
    """Do something as one commit, or answer why not; `key` is the one that a segment is to have."""
    try:
        with transaction.atomic():
            yield
    except RuleError as error:
        place = {"path": error.path, "code": "bad_rule", "message": error.message}
        raise Problem(400, "bad_rule", str(error), [place]) from error
    except SegmentInUse as error:
        users = [{"path": "", "code": "in_use", "message": one} for one in error.users]
        raise Problem(409, "in_use", str(error), users) from error
    except SegmentChanged as error:
        raise Problem(412, "changed", str(error)) from error
    except (ListError, TooManyPins) as error:
        raise Problem(400, "bad_list", str(error)) from error
    except NotCounted as error:
        raise Problem(409, "not_counted", str(error)) from error
    except CannotCompare as error:
        raise Problem(400, "cannot_compare", str(error)) from error
    except (NoSnapshot, NeedsFullCycle, NotYetKnown) as error:
        raise Problem(409, "no_snapshot", str(error)) from error
    except IntegrityError as error:
        if not key or not Segment.objects.filter(key=key).exists():
            raise
        place = {"path": "key", "code": "taken", "message": "Another segment has this key."}
        raise Problem(409, "taken", f"Another segment has the key {key!r}.", [place]) from error
