"""manage.py reconcile [CAMPAIGN]: is everything that campaigns decided accounted for?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from campaigns import reconcile
from campaigns.models import Campaign


class Command(BaseCommand):
    help = "Balance who was due, what was decided and what was sent; exit 1 while anything is open."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("campaign", nargs="?", help="the campaign's key; all that were launched, if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        found = Campaign.objects.order_by("key")
        if options["campaign"]:
            found = found.filter(key=options["campaign"])
            if not found:
                raise CommandError(f'There is no campaign "{options["campaign"]}".')
        else:
            found = found.exclude(state=Campaign.State.DRAFT)
        books = [reconcile.reconcile(campaign, timezone.now()) for campaign in found]
        for one in books:
            self.stdout.write(f"{one.campaign.key}: {one.sentence()}")
        left = sum(not one.is_done for one in books)
        if left:
            raise CommandError(f"{left} of {len(books)} campaigns are not done.")
        self.stdout.write(f"{len(books)} campaigns, all done." if books else "No campaign was launched yet.")
