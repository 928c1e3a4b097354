"""The figures on shops: who orders again, and how often."""

import gzip
import json

from tests.prove.installation import Embedded
from tests.prove.study import DATA, LIMIT_SECONDS, Row, at_least, at_most, run, stated

ORDER = "Order Completed"
PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
CALIBRATED, HOLDOUT_DAYS = "1997-09-30T00:00:00+00:00", "273"


def cdnow(ours: Embedded, rows: int) -> list[Row]:
    """The first buyers of a shop of records: 39 weeks, and the 39 weeks after."""
    lines = gzip.decompress((DATA / "cdnow" / "CDNOW_sample.txt.gz").read_bytes()).decode().splitlines()[:rows]
    file = ours.folder / "cdnow.csv"
    file.write_text("\n".join(["master,customer,day,cds,dollars", *(",".join(line.split()) for line in lines)]) + "\n")
    words = ("--customer", "customer", "--time", "day", "--value", "dollars", "--keep-duplicates")
    run(ours, "import_events", file, "--name", ORDER, *words)
    path = ours.folder / "foreseen.json"
    work = ours.start("tests.prove.cdnow_work:foresee", CALIBRATED, HOLDOUT_DAYS, str(path))
    assert work.wait(LIMIT_SECONDS) == 0, work.log.read_text()[-4000:]
    told = json.loads(path.read_text())
    shop = f"CDNOW, {told['customers']:,}"
    return [
        *(
            Row(shop, f"BG/NBD {name}", f"{one:.3f}", f"{told[name]:.3f}", "", round(told[name], 3) == one)
            for name, one in PUBLISHED.items()
        ),
        at_most(shop, "mean absolute error of orders in 39 weeks", 0.786, {"value": told["mae"]}),
        at_least(shop, "right about an order in 39 weeks, by the orders expected", 0.78, {"value": told["by_orders"]}),
        stated(shop, "right about an order in 39 weeks, by the chance", {"value": told["by_chance"]}),
        Row(
            shop,
            "BG/NBD alone, with no learner to blend it with: why",
            "stated",
            told["refused"],
            "",
            bool(told["refused"]),
        ),
    ]


def online_retail(ours: Embedded, rows: int) -> list[Row]:
    """Who orders again within 90 days, in a year of a wholesaler's orders."""
    file = DATA / "online_retail" / "online_retail.csv.gz"
    lines = ("--customer", "CustomerID", "--time", "InvoiceDate", "--order", "InvoiceNo", "--product", "StockCode")
    prices = ("--quantity", "Quantity", "--price", "UnitPrice", "--value", "Quantity*UnitPrice")
    run(ours, "import_events", file, "--name", ORDER, *lines, *prices)
    told = run(ours, "train", "--event", ORDER, "--within", "90", "--as-of", "2011-12-10")
    return [
        at_least("Online Retail", "AUC on later times, mean of origins", 0.78, told["auc_mean_over_origins"]),
        stated("Online Retail", "calibration error, season unknown", told["ece"]),
    ]
