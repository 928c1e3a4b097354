"""What the page of a list gives beside its members: the lines that put nobody on it, as a file."""

import csv
import io

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from customers import audit
from customers.plain_cells import guarded
from segments.models import ListRefused, Segment

HEAD = ("line", "id", "reason")


def refused(request: HttpRequest, segment: Segment, change_id: str) -> HttpResponse:
    """Answer with the refused lines of one change as a file; who took it out is noted."""
    change = segment.list_changes.filter(public_id=change_id).first()
    if change is None:
        raise Http404
    out = io.StringIO()
    table, many = csv.writer(out), 0
    table.writerow(HEAD)
    for line, given, why in change.refused.order_by("pk").values_list("line", "given", "why").iterator(5_000):
        table.writerow((line, guarded(given), ListRefused.Why(why).label))
        many += 1
    by = request.user if request.user.is_authenticated else None
    audit.note(timezone.now(), by, "refused lines exported", segment.key, rows=many, source=change.source)
    headers = {"Content-Disposition": f'attachment; filename="refused-{segment.key}.csv"', "Cache-Control": "no-store"}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
