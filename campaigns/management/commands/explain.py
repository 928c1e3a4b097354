"""manage.py explain CUSTOMER CAMPAIGN: why did, or didn't, this customer get this?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from campaigns import explain
from campaigns.models import Campaign
from customers.models import Customer


class Command(BaseCommand):
    help = "Say what a campaign decided about a customer, and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", help="the customer's external id")
        parser.add_argument("campaign", help="the campaign's key")

    def handle(self, *args: Any, **options: Any) -> None:
        customer = Customer.objects.filter(external_id=options["customer"]).first()
        if customer is None:
            raise CommandError(f'There is no customer "{options["customer"]}".')
        campaign = Campaign.objects.filter(key=options["campaign"]).first()
        if campaign is None:
            keys = ", ".join(Campaign.objects.order_by("key").values_list("key", flat=True)) or "none"
            raise CommandError(f'There is no campaign "{options["campaign"]}"; there are: {keys}.')
        for sentence in explain.sentences(customer, campaign, timezone.now()):
            self.stdout.write(sentence)
