"""After a backup was brought back, sending starts paused: what was sent since is not in the database."""

from datetime import datetime

from campaigns import programme, sending, whereabouts
from campaigns.models import Programme

note = whereabouts.note


def check(at: datetime) -> bool:
    """Stop sending if this database is a copy, or older than what was sent. Give whether sending may go on.

    Called when a process starts and before each run of deliveries. The first look at a new installation notes where it
    is.
    """
    ours = programme.current()
    if not ours.place:
        Programme.objects.filter(pk=ours.pk, place="").update(place=whereabouts.here())
    doubt = whereabouts.doubt(ours)
    if doubt:
        sending.stop(None, doubt, at)
        return False
    return not ours.is_sending_stopped
