"""Each code gets its customer, each call task its campaign, and both kinds of pages their addresses."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from customers.models import new_public_id


def fill(apps, schema_editor) -> None:
    Offer, OfferCode = apps.get_model("campaigns", "Offer"), apps.get_model("campaigns", "OfferCode")
    CallTask, Delivery = apps.get_model("campaigns", "CallTask"), apps.get_model("campaigns", "Delivery")
    delivery = Delivery.objects.filter(pk=OuterRef("delivery_id"))
    OfferCode.objects.update(customer=Subquery(delivery.values("customer_id")[:1]))
    given = OfferCode.objects.filter(state__in=("given", "redeemed"))
    given.update(given_at=Coalesce(Subquery(delivery.values("began_at")[:1]), F("redeemed_at")))
    CallTask.objects.update(campaign=Subquery(delivery.values("decision__campaign_id")[:1]))
    for model in (Offer, CallTask):
        rows = list(model.objects.filter(public_id=None).only("pk"))
        for row in rows:
            row.public_id = new_public_id()
        model.objects.bulk_update(rows, ["public_id"], batch_size=1000)
    # a customer who held several codes of one offer keeps the newest
    newest = OfferCode.objects.filter(
        offer=OuterRef("offer_id"), customer=OuterRef("customer_id"), state__in=("reserved", "given")
    ).order_by("-pk")
    held = OfferCode.objects.filter(state__in=("reserved", "given"))
    older = held.annotate(newest=Subquery(newest.values("pk")[:1])).exclude(pk=F("newest"))
    OfferCode.objects.filter(pk__in=list(older.values_list("pk", flat=True))).update(state="lapsed")


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0011_offers_calls_and_webhooks")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
