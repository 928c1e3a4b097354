"""Which comes first: messages of a campaign that begin, or a change of it. They never overlap.

PostgreSQL keeps the order by advisory locks, shared by groups of messages; SQLite has one writer at a time anyway.
"""

from collections.abc import Sequence

from django.db import connection

from campaigns.models import Campaign

SPACE = 7_301_002  # of PostgreSQL's advisory locks of two numbers; the second is the campaign's
IDS = 2**31 - 1
SHARED = """
SELECT pg_advisory_xact_lock_shared(%s, (id %% %s)::int) FROM (
    SELECT DISTINCT decision.campaign_id AS id FROM campaigns_decision AS decision
    JOIN campaigns_delivery AS delivery ON delivery.decision_id = decision.id WHERE delivery.id = ANY(%s) ORDER BY 1
) AS ours
"""


def begin(deliveries: Sequence[int]) -> None:
    """Wait until nobody changes the campaigns of these deliveries, and let nobody until the end of the transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(SHARED, [SPACE, IDS, list(deliveries)])


def change(campaign: Campaign) -> None:
    """Wait for the messages of a campaign that begin now, and let none begin until the end of the transaction.

    Whoever waits here holds no row that a message needs to begin.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [SPACE, campaign.pk % IDS])
