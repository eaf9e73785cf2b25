"""What the figures of a market mean: data for `explain`, as quote/figures.py."""

from __future__ import annotations

from tokenworks.quote.explain import Book
from tokenworks.quote.figures import Figure

WHO = r"/(?P<whose>[^/]+)"
SIDE = r"/(?P<side>[ab])"
ENDS = r"(/(low|high))?"
LINES = "/{side}/sales?%s={whose}/{what}"
BEHIND = ("/{side}/supply?=/", "/{side}/licences?=/", "/{side}/buying?=/")
SPREAD = ("/draws", "/a/prices?=/", "/a/supply?=/", "/a/licences?=/", "/b/supply?=/", "/b/licences?=/")
BARS = ("calibration/bars.yaml",)

MARKET = Book(
    "tokenworks/market/1",
    (
        Figure(
            rf"/per_job{WHO}/(?P<what>\w+){SIDE}",
            "USD or s",
            "what a job costs and takes on average, of those that are done",
            "sum over the buyer's sales of cost, or time, / sum of jobs",
            (
                "/{side}/sales?buyer={whose}/spend_usd",
                "/{side}/sales?buyer={whose}/time_s",
                "/{side}/sales?buyer={whose}/jobs",
            ),
        ),
        Figure(r"/draws", "count", "draws of prices, speeds, supplies and licences", "from the command", (), "given"),
        Figure(
            r"/demand/(?P<n>\d+)/(copies|request/.+)",
            "as stated",
            "what a group of buyers asks, and how many they are",
            "from the demand document",
            ("/source", "/demand/{n}/copies"),
            "given",
        ),
        Figure(
            rf"/vendors{WHO}/(?P<what>revenue_usd|chips){SIDE}",
            "USD or count",
            "what a vendor sells in a world",
            "sum over the vendor's sales of jobs x chips (x price of the chip)",
            (LINES % "vendor", "/{side}/prices?vendor={whose}/", *BEHIND),
        ),
        Figure(
            rf"/chips{WHO}/(?P<what>revenue_usd|chips){SIDE}",
            "USD or count",
            "what is sold of a chip in a world",
            "sum over the chip's sales of jobs x chips (x price of the chip)",
            (LINES % "chip", "/{side}/prices?chip={whose}/", *BEHIND),
        ),
        Figure(
            rf"/countries{WHO}/(?P<what>\w+){SIDE}",
            "USD, count, TPP or FLOP/s",
            "what a country's buyers buy in a world",
            "sum over the country's sales of jobs x what a job's design costs, takes and delivers",
            (LINES % "country", *BEHIND),
        ),
        Figure(
            rf"/unmet{WHO}/(?P<what>jobs){SIDE}",
            "jobs",
            "jobs that a group of buyers leaves undone",
            "copies - jobs done",
            ("/demand?name={whose}/copies", LINES % "buyer", *BEHIND),
        ),
        Figure(
            rf"/price_of_rule/revenue_moved_usd{SIDE}",
            "USD",
            "revenue that goes from one vendor to another, or goes",
            "half of the sum over vendors of |revenue in b - revenue in a|",
            ("/a/sales?=/revenue_usd", "/b/sales?=/revenue_usd"),
        ),
        Figure(
            rf"/price_of_rule/(?P<what>\w+){SIDE}",
            "jobs, USD or s",
            "what all buyers together do, pay and wait",
            "sum over all sales",
            ("/{side}/sales?=/{what}", *BEHIND),
        ),
        Figure(
            rf"/((vendors|chips|countries|unmet){WHO}|price_of_rule)/\w+{ENDS}",
            "as the figure",
            "change from a to b",
            "80 % interval of b - a over the draws of prices, speeds, supplies and shares of licences "
            "granted, the same for both",
            SPREAD,
            sources=BARS,
        ),
        Figure(
            rf"{SIDE}/sales/(?P<n>\d+)/jobs",
            "jobs",
            "jobs of a group of buyers that take this offer",
            "each line of `sales` is a share of a buyer group that takes an offer, as the programme of the "
            "rule allocates it",
            (
                "/demand?name=</{side}/sales/{n}/buyer>/copies",
                "/{side}/sales/{n}/granted",
                "/{side}/sales/{n}/each/total_usd",
                *BEHIND,
            ),
        ),
        Figure(
            rf"{SIDE}/sales/(?P<n>\d+)/(?P<what>revenue_usd|chips|spend_usd|tpp|training_flops|time_s)",
            "USD, count, TPP, FLOP/s or s",
            "what this line comes to",
            "jobs x what one job's design takes",
            (
                "/{side}/sales/{n}/jobs",
                "/{side}/sales/{n}/each/chips",
                "/{side}/sales/{n}/each/chip_price_usd",
                "/{side}/sales/{n}/each/total_usd",
                "/{side}/sales/{n}/each/time_s",
                "/{side}/prices?chip=</{side}/sales/{n}/chip>/",
            ),
        ),
        Figure(
            rf"{SIDE}/sales/(?P<n>\d+)/granted",
            "share",
            "the most of a group that is granted a licence",
            "1 where none is needed, else the share of its review policy",
            ("/{side}/sales/{n}/policy", "/{side}/licences?policy=</{side}/sales/{n}/policy>/"),
        ),
        Figure(
            rf"{SIDE}/sales/(?P<n>\d+)/each/(?P<what>\w+)",
            "count, USD or s",
            "of one job's design",
            "the best design of the chip for this request, as `tokenworks quote` finds it",
            (
                "/{side}/sales/{n}/design",
                "/{side}/prices?chip=</{side}/sales/{n}/chip>/",
                "/demand?name=</{side}/sales/{n}/buyer>/request",
            ),
        ),
        Figure(
            rf"{SIDE}/(?P<list>prices|supply|licences|buying)/(?P<n>\d+)/(value|low|high)",
            "as its `unit`",
            "a number to change with a scenario",
            "read from its source, or assumed",
            ("/{side}/{list}/{n}",),
            "assumed",
        ),
        Figure(
            r"/published/(?P<n>\d+)/published",
            "USD",
            "what the vendor published",
            "read from its source",
            ("/published/{n}/source", "/published/{n}/note"),
            "measured",
        ),
        Figure(
            r"/published/(?P<n>\d+)/model",
            "USD",
            "the market's figure beside it",
            "revenue of the chip in the world where it sells more (sales_open) or less (sales_barred), or "
            "the difference (lost)",
            (
                "/published/{n}/measure",
                "/chips/</published/{n}/chip>/revenue_usd/a",
                "/chips/</published/{n}/chip>/revenue_usd/b",
            ),
        ),
        Figure(
            r"/published/(?P<n>\d+)/ratio",
            "ratio",
            "how far the market is from what was published",
            "model / published; the demand is illustrative, so this says how far its size is from the real one",
            ("/published/{n}/model", "/published/{n}/published"),
        ),
        Figure(
            r"/published/(?P<n>\d+)/implied_chips",
            "count",
            "chips that the published revenue stands for",
            "published / price of the chip",
            ("/published/{n}/published", "/a/prices?chip=</published/{n}/chip>/"),
        ),
        Figure(
            r"/published/(?P<n>\d+)/supply",
            "count",
            "chips a quarter that the market data let the vendor deliver",
            "read from its source",
            ("/a/supply?=/",),
        ),
    ),
    where="/where",
    example="/vendors/NVIDIA/revenue_usd/b",
)
