"""What the figures of `whatif`, `porting`, `carry` and `buildout` mean: data for `explain`, as quote/figures.py."""

from __future__ import annotations

from tokenworks.quote.energy_book import ENERGY
from tokenworks.quote.explain import Book, Link
from tokenworks.quote.figures import Figure
from tokenworks.quote.whatif import FIGURES

COUNTED = "the model's config.json, as `tokenworks model show` counts it"
ROOFLINE = "docs/validation.md: the predictions and their measured errors"


def fact_at(pattern: str, pointer: str) -> Figure:
    """Facts that an answer carries under `facts`. pattern: of the pointers to what holds them; pointer: a template."""
    return Figure(
        rf"{pattern}/facts/(?P<key>[^/]+)/(value|low|high)",
        "SI",
        "a fact of the catalog",
        "read from its source",
        (pointer + "/facts/{key}",),
        "measured",
    )


# ------------------------------------------------------------------------------------------- two worlds

WHATIF = Book(
    "tokenworks/whatif/1",
    (
        Figure(r"/request/(?P<what>.+)", "as stated", "what was asked", "from the request", (), "given"),
        Figure(
            r"/(?P<side>[ab])/changes/(?P<n>\d+)/(before|after)(/.+)?",
            "as the fact",
            "what a scenario changes, before and after",
            "set, or scaled, by the scenario; its source stands in the line",
            ("/{side}/changes/{n}/source",),
            "assumed",
        ),
        fact_at(r"/(?P<side>[ab])", "/{side}"),
        *ENERGY,
        Figure(
            r"/(?P<side>[ab])/infeasible/nearest/value",
            "as the limit",
            "the nearest value of the limit that would let a design in",
            "the least that a search without it finds",
        ),
        Figure(
            r"/winner/(?P<make>\w+)/(?P<side>[ab])/margin",
            "share",
            "by what the best of another chip is worse",
            "next / best - 1 (tokens per second: 1 - next / best)",
            ("@/winner/{make}/{side}/next_at+", "@/winner/{make}/{side}/at+"),
        ),
    ),
    designs=(r"/(?P<side>[ab])/designs/\d+",),
    facts="/{side}/facts",
    where="/request/where",
    links=(
        *(
            Link(rf"/(?P<list>gained|lost)/(?P<n>\d+)/figures/{name}", tuple("@/{list}/{n}/design+" + p for p in paths))
            for name, paths in FIGURES.items()
        ),
        *(
            Link(
                rf"/changed/(?P<n>\d+)/figures/{name}/(?P<side>[ab])",
                tuple("@/changed/{n}/design/{side}+" + p for p in paths),
            )
            for name, paths in FIGURES.items()
        ),
        Link(r"/winner/(?P<make>\w+)/(?P<side>[ab])/value", ("@/winner/{make}/{side}/at+",)),
    ),
    example="/winner/train/b/value",
)

# ------------------------------------------------------------------------------------- a model on chips

CHIP = r"/tables/(?P<t>\d+)/chips/(?P<c>\d+)"
ROW = "/tables/{t}/chips/{c}"
OF_CHIP = tuple(
    "/tables/{t}/facts/chips~1<" + ROW + "/chip>~1" + n for n in ("memory", "memory_bandwidth", "scaleup_domain")
)

PORTING = Book(
    "tokenworks/porting/1",
    (
        Figure(
            r"/tables/(?P<t>\d+)/parameters/(total|active)",
            "count",
            "parameters of the model, and those that work a token",
            "counted layer by layer from the model's config.json (`tokenworks model show`)",
            sources=(COUNTED,),
        ),
        Figure(
            rf"{CHIP}/fit/weight_bytes/(?P<p>\w+)",
            "B",
            "the model's weights in a precision",
            "parameters x bits / 8, with the scales of the format",
            ("/tables/{t}/parameters/total",),
            sources=(COUNTED,),
        ),
        Figure(
            rf"{CHIP}/fit/chips_to_hold/(?P<p>\w+)",
            "count",
            "chips whose memory holds the weights",
            "weights / memory of a chip, rounded up",
            (ROW + "/fit/weight_bytes/{p}", *OF_CHIP[:1]),
        ),
        Figure(
            rf"{CHIP}/fit/scaleup_domain",
            "count",
            "chips that share the fast network of a server or rack",
            "the largest among the systems that are sold with the chip",
            OF_CHIP[2:],
        ),
        Figure(
            rf"{CHIP}/fit/experts",
            "count",
            "routed experts of the widest layer",
            "counted layer by layer from the model's config.json (`tokenworks model show`)",
            sources=(COUNTED,),
        ),
        Figure(
            rf"{CHIP}/(?P<make>serve|train)/chip_seconds_per_million_tokens",
            "s",
            "chip-seconds for a million tokens",
            "chips / tokens per second x 1,000,000",
            (ROW + "/{make}/chips", ROW + "/{make}/predicted/tokens_per_s"),
        ),
        Figure(
            rf"{CHIP}/changes/(?P<k>\d+)/(from|to)",
            "USD or s, as `figure` says",
            "cost of a million tokens of the model as published, and changed",
            "the cheapest design that the same search finds for either model, whatever the law says",
            (
                ROW + "/changes/{k}/before",
                ROW + "/changes/{k}/after",
                ROW + "/changes/{k}/figure",
                ROW + "/changes/{k}/parallelism",
                *OF_CHIP[:2],
            ),
            sources=(ROOFLINE,),
        ),
        Figure(
            rf"{CHIP}/(?P<list>changes|degrees)/(?P<k>\d+)/gain",
            "share",
            "what is saved",
            "1 - to / from",
            (ROW + "/{list}/{k}/from", ROW + "/{list}/{k}/to"),
        ),
        Figure(
            rf"{CHIP}/changes/(?P<k>\d+)/parallelism/(?P<degree>\w+)",
            "count",
            "how the job is split",
            "chosen by the search among all that divide and fit",
            (ROW + "/changes/{k}/after",),
        ),
        Figure(
            rf"{CHIP}/degrees/(?P<k>\d+)/(from|to)",
            "USD or s, as `figure` says",
            "cost of a million tokens with the other chip's parallel degrees, and with this chip's own",
            "the cheapest design with the degrees held, and without",
            (
                ROW + "/degrees/{k}/like",
                ROW + "/degrees/{k}/there",
                ROW + "/degrees/{k}/here",
                ROW + "/degrees/{k}/figure",
            ),
            sources=(ROOFLINE,),
        ),
        Figure(
            rf"{CHIP}/degrees/(?P<k>\d+)/(there|here)/(?P<degree>\w+)",
            "count",
            "how the job is split",
            "of the table's chip that does the job most cheaply, and of this one",
            (ROW + "/degrees/{k}/like",),
        ),
        fact_at(r"/tables/(?P<t>\d+)", "/tables/{t}"),
    ),
    designs=(rf"{CHIP}/(serve|train)",),
    facts="/tables/{t}/facts",
    links=(
        Link(
            rf"{CHIP}/(?P<make>serve|train)/(?P<what>total_usd|known_usd|per_million_tokens_usd)",
            (ROW + "/{make}/cost/{what}",),
        ),
    ),
    example="/tables/0/chips/0/serve/per_million_tokens_usd",
)

# ------------------------------------------------------------------------- the product that carries it

EACH = r"/chips/(?P<c>\d+)"
TRIED = (
    "/chips/{c}/facts/memory_bandwidth",
    "/chips/{c}/facts/peak_bf16",
    "/chips/{c}/facts/peak_fp8",
    "/chips/{c}/facts/peak_int8",
)

CARRY = Book(
    "tokenworks/carry/1",
    (
        Figure(r"/asked/(?P<what>\w+)", "SI", "what was asked", "from the request", (), "given"),
        Figure(
            r"/parameters/(total|active)",
            "count",
            "parameters of the model, and those that work a token",
            "counted layer by layer from the model's config.json (`tokenworks model show`)",
            sources=(COUNTED,),
        ),
        Figure(
            rf"{EACH}/memory_bytes",
            "B",
            "memory of the chip",
            "a fact of the catalog",
            ("/chips/{c}/facts/memory",),
            "measured",
        ),
        Figure(
            rf"{EACH}/power_w",
            "W",
            "power of the chip",
            "a fact of the catalog",
            ("/chips/{c}/facts/power",),
            "measured",
        ),
        Figure(
            rf"{EACH}/rate_at_most",
            "1/s",
            "the most decisions a second",
            "the fastest precision tried; with facts missing, the lower of bandwidth / bytes read and peak "
            "/ arithmetic",
            ("/asked/input", "/asked/output", "/parameters/total", *TRIED),
            sources=(ROOFLINE,),
        ),
        Figure(
            rf"{EACH}/tried/(?P<k>\d+)/weight_bytes",
            "B",
            "the model's weights in a precision",
            "parameters x bits / 8, with the scales of the format",
            ("/parameters/total", "/chips/{c}/tried/{k}/precision"),
            sources=(COUNTED,),
        ),
        Figure(
            rf"{EACH}/tried/(?P<k>\d+)/rate",
            "1/s",
            "decisions a second in a precision",
            "1 / the fastest decision that the search finds: prefill of what is read, then one step a token written",
            ("/asked/input", "/asked/output", "/chips/{c}/tried/{k}/weight_bytes", *TRIED),
            sources=(ROOFLINE,),
        ),
        Figure(
            rf"{EACH}/tried/(?P<k>\d+)/joules_a_decision",
            "J",
            "energy of a decision",
            "power / rate",
            ("/chips/{c}/power_w", "/chips/{c}/tried/{k}/rate"),
        ),
        Figure(
            rf"{EACH}/smaller/(layers|of_layers|parameters|share)",
            "count or share",
            "the largest model of the same widths that holds the rate",
            "layers are taken away in proportion of their kinds until the rate holds",
            ("/asked/rate", "/chips/{c}/smaller/rate", "/parameters/total"),
            sources=(COUNTED,),
        ),
        Figure(
            rf"{EACH}/smaller/rate",
            "1/s",
            "decisions a second of the smaller model",
            "1 / the fastest decision that the search finds: prefill of what is read, then one step a token written",
            ("/asked/input", "/asked/output", "/chips/{c}/smaller/parameters", *TRIED),
            sources=(ROOFLINE,),
        ),
        fact_at(rf"{EACH}", "/chips/{c}"),
    ),
    example="/chips/0/rate_at_most",
)

# ------------------------------------------------------------------------------------ national build-out

Q = r"/quarters/(?P<q>\d+)"
RATIO = "/assumptions?name="  # followed by the name of a ratio
STANDS = "/quarters/{q}/standing/"
ALL_UNITS = "/factories?=/per_chip/"

BUILDOUT = Book(
    "tokenworks/buildout/1",
    (
        Figure(r"/(years|budget_usd|asked/\w+)", "SI", "what was asked", "from the request", (), "given"),
        Figure(
            r"/factories/(?P<n>\d+)/per_chip/(?P<what>\w+)",
            "SI or USD, per chip",
            "the factory of a year, divided by its chips",
            "figure of the factory / chips; chip-seconds of a training run: the fastest design of as many chips",
            (
                "/factories/{n}/chips",
                "/factories/{n}/cost/capital_usd",
                "/factories/{n}/power_w",
                "/factories/{n}/predicted/tokens_per_s",
                "/factories/{n}/carbon_kg",
            ),
        ),
        fact_at(r"/factories/(?P<n>\d+)", "/factories/{n}"),
        Figure(rf"{Q}/quarter", "count", "which quarter of the plan", "counted from the first day", (), "given"),
        Figure(
            rf"{Q}/opened/chips",
            "count",
            "chips that open in the quarter",
            "the least of: capital released so far and not spent / capital a chip; power added so far and not used / "
            "power a chip; chips delivered; nothing before the building time has passed",
            (
                "/budget_usd",
                "/limits/power_w_a_quarter",
                ALL_UNITS + "capital_usd",
                ALL_UNITS + "power_w",
                "/limits/chips_a_quarter",
                RATIO + "construction_time/",
                "/quarters/{q}/binding",
            ),
        ),
        Figure(
            rf"{Q}/opened/(power_w|capital_usd)",
            "W or USD",
            "power and capital of what opens",
            "chips opened x per chip",
            ("/quarters/{q}/opened/chips", ALL_UNITS + "power_w", ALL_UNITS + "capital_usd"),
        ),
        Figure(
            rf"{Q}/standing/(chips|capital_usd|power_w)",
            "count, USD or W",
            "what stands at the end of the quarter",
            "sum of what has opened",
            ("/quarters/{q}/opened/chips", "/quarters/{q}/opened/capital_usd", "/quarters/{q}/opened/power_w"),
        ),
        Figure(
            rf"{Q}/standing/sites",
            "count",
            "sites",
            "power / power of a site, rounded up",
            (STANDS + "power_w", RATIO + "site_power/"),
        ),
        Figure(rf"{Q}/standing/factories", "count", "factories", "chips / 4,096, rounded up", (STANDS + "chips",)),
        Figure(
            rf"{Q}/standing/operation_jobs",
            "count",
            "people operating",
            "power x people a watt",
            (STANDS + "power_w", RATIO + "operation_jobs_per_w/"),
        ),
        Figure(
            rf"{Q}/standing/tokens_a_quarter",
            "count",
            "tokens that what stands serves in a quarter",
            "sum over years of chips x tokens a second a chip x a quarter",
            (STANDS + "chips", ALL_UNITS + "tokens_per_s"),
        ),
        Figure(
            rf"{Q}/standing/training_runs_a_quarter",
            "count",
            "training runs that what stands does in a quarter instead",
            "sum over years of chips / chip-seconds of a run x a quarter",
            (STANDS + "chips", "/asked/tokens", ALL_UNITS + "training_chip_seconds"),
        ),
        Figure(
            rf"{Q}/standing/(running_usd_a_quarter|carbon_kg_a_quarter)",
            "USD or kg",
            "energy and operation, and emissions, of a quarter",
            "sum over years of chips x per chip and second x a quarter",
            (STANDS + "chips", ALL_UNITS + "running_usd_per_s", ALL_UNITS + "carbon_kg_per_s"),
        ),
        Figure(
            rf"{Q}/construction_jobs",
            "count",
            "people building in the quarter",
            "power that opens within the building time from it on x people a watt being built",
            ("/quarters?=/opened/power_w", RATIO + "construction_jobs_per_w/", RATIO + "construction_time/"),
        ),
        Figure(
            r"/total/(tokens|training_runs)",
            "count",
            "tokens served, or training runs done instead, over the plan",
            "sum over quarters of what stood at the beginning of each",
            ("/quarters?=/standing/tokens_a_quarter", "/quarters?=/standing/training_runs_a_quarter"),
        ),
        Figure(
            r"/total/(tokens|training_runs)_a_year_then",
            "count",
            "what a year makes at the end",
            "of the last quarter x 4",
            ("/quarters?=/standing/tokens_a_quarter", "/quarters?=/standing/training_runs_a_quarter"),
        ),
        Figure(
            r"/total/unspent_usd",
            "USD",
            "budget that is not spent",
            "budget - capital",
            ("/budget_usd", "/total/capital_usd"),
        ),
        Figure(
            r"/total/usd_a_watt",
            "USD/W",
            "capital a watt of facility power",
            "capital / power",
            ("/total/capital_usd", "/total/power_w"),
        ),
        Figure(
            r"/total/construction_jobs_peak",
            "count",
            "the most people building at once",
            "largest of the quarters",
            ("/quarters?=/construction_jobs",),
        ),
        Figure(
            r"/total/(?P<what>chips|capital_usd|power_w|sites|operation_jobs)",
            "count, USD or W",
            "what stands at the end",
            "of the last quarter",
            ("/quarters?=/standing/{what}",),
        ),
        Figure(
            r"/limits/power_w_a_quarter",
            "W",
            "power that the grid adds for data centres a quarter",
            "share of the mean generation x yearly generation / a year",
            ("/generation", RATIO + "power_growth_share/"),
        ),
        Figure(
            r"/limits/chips_a_quarter/(?P<n>\d+)",
            "count",
            "chips that the plan can get a quarter",
            "what the vendor delivers a quarter x share of the plan",
            ("/factories/{n}/chip", "/supply", RATIO + "supply_share/"),
        ),
        Figure(
            r"/assumptions/(?P<n>\d+)/(value|low|high)",
            "as its `unit`",
            "a number to change with a scenario",
            "read from its source, or assumed",
            ("/assumptions/{n}",),
            "assumed",
        ),
        Figure(
            r"/generation/(value|low|high)",
            "J",
            "electricity that the country generates a year",
            "read from its source",
            ("/generation",),
            "measured",
        ),
        Figure(
            r"/supply/(?P<key>[^/]+)/(value|low|high)",
            "chips a quarter",
            "chips that a vendor delivers",
            "read from its source",
            ("/supply/{key}",),
            "measured",
        ),
    ),
    designs=(r"/factories/(?P<n>\d+)",),
    facts="/factories/{n}/facts",
    links=(
        Link(r"/factories/(?P<n>\d+)/(?P<what>capital_usd|per_million_tokens_usd)", ("/factories/{n}/cost/{what}",)),
    ),
    example="/total/capital_usd",
)
