"""What every figure of a quote means, how it is made and from what: data for `explain`.

pattern: over JSON pointers. inputs: a path inside the design, `fact:` and a key of the quote's facts, or a
pointer into the quote. {chip}, {system}, {where} and the pattern's groups are filled in.
"""

from __future__ import annotations

from dataclasses import dataclass

DESIGN = r"/designs/(?P<n>\d+)"  # a whole design, wherever it stands in an answer (explain.py)
D = DESIGN
STUDY = "calibration/training.yaml and fitted.yaml: published training runs (catalog/data/runs)"
SERVING = "calibration/serving.yaml: fitted on 1,792 serving points and 577 throughput runs"
PLACE = ("fact:sites/{where}/electricity_price",)


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of figure."""

    pattern: str
    unit: str
    meaning: str
    formula: str
    inputs: tuple[str, ...] = ()
    kind: str = "derived"
    sources: tuple[str, ...] = ()


CHIP_FACTS = (
    "fact:chips/{chip}/peak_bf16", "fact:chips/{chip}/peak_fp16", "fact:chips/{chip}/peak_fp8",
    "fact:chips/{chip}/memory_bandwidth", "fact:chips/{chip}/scaleup_bandwidth",
    "fact:systems/{system}/scaleout_bandwidth", "fact:chips/{chip}/scaleout_bandwidth",
)  # fmt: skip
PRICES = ("fact:prices/{system}/purchase", "fact:prices/{chip}/purchase", "fact:constants/server_share")

FIGURES: tuple[Figure, ...] = (
    Figure(f"{D}/chips", "count", "accelerators of the design",
           "replicas x tp x pp x cp x dp, rounded up to whole nodes",
           ("replicas", "parallelism/tp", "parallelism/pp", "parallelism/cp", "parallelism/dp", "chips_per_node")),
    Figure(f"{D}/(nodes|units|replicas|racks|chips_per_node)", "count", "how many",
           "nodes = chips / chips_per_node; racks = units / units that fit by height and power",
           ("chips", "chips_per_node", "fact:systems/{system}/rack_units", "fact:systems/{system}/power")),
    Figure(f"{D}/parallelism/(?P<degree>\\w+)", "count", "how the job is split",
           "chosen by the search among all that divide and fit", ("chips",)),
    Figure(f"{D}/pools/(prefill|decode)/(?P<what>\\w+)", "count", "workers of a pool, and how each is split",
           "as many as carry the rate, each as loaded as its share of the service level allows", ("chips",)),
    Figure(f"{D}/draft", "count", "tokens drafted per step and sequence by the model's own modules",
           "chosen by the search", ("chips",)),
    Figure(f"{D}/job/(?P<what>\\w+)", "SI", "what was asked", "from the request; batch from the service level",
           (), "given"),
    Figure(f"{D}/predicted/step_time_s(/\\w+)*", "s", "one optimizer step",
           "(m x busiest stage + bubble + sends + exposed data exchange + optimizer) x software factor",
           ("parallelism/global_batch", "parallelism/grad_accum", *CHIP_FACTS), sources=(STUDY,)),
    Figure(f"{D}/predicted/time_s(/\\w+)*", "s", "wall time of the job",
           "tokens / tokens_per_s / goodput",
           ("job/tokens", "predicted/tokens_per_s", "predicted/goodput"),
           sources=("https://arxiv.org/abs/2407.21783",)),
    Figure(f"{D}/predicted/tokens_per_s(/\\w+)*", "tokens/s", "tokens of all chips together",
           "training: global batch x sequence / step time; serving: requests per second x output tokens",
           ("parallelism/global_batch", "job/sequence", "predicted/step_time_s", "job/requests_per_second",
            "job/output")),
    Figure(f"{D}/predicted/mfu(/\\w+)*", "share", "model FLOPs over the 16-bit peak of all chips, causal attention",
           "tokens_per_s x training FLOPs per token / (chips x peak)",
           ("predicted/tokens_per_s", "chips", "fact:chips/{chip}/peak_bf16")),
    Figure(f"{D}/predicted/goodput(/\\w+)*", "share", "share of wall time that trains",
           "work between checkpoints over its mean wall time (Daly 2006), interval by Young 1974",
           ("chips",), sources=("https://arxiv.org/abs/2407.21783",)),
    Figure(f"{D}/predicted/(ttft_s|tpot_s|ttft_p99_s|tpot_p99_s|period_s)(/\\w+)*", "s",
           "time to first token, time per output token after it, or a whole decision",
           "sum over layers of the soft maximum of arithmetic and bytes, plus launches, collectives and waiting",
           ("job/batch", "parallelism/tp", "parallelism/ep", *CHIP_FACTS), sources=(SERVING,)),
    Figure(f"{D}/wall_time/(?P<part>\\w+)", "s or count", "where the wall time of the run goes",
           "new steps, checkpoints every sqrt(2 c M) of work (Young 1974), work lost and restarts (Daly 2006)",
           ("chips", "predicted/time_s"), sources=("https://arxiv.org/abs/2407.21783", "calibration/goodput.yaml")),
    Figure(f"{D}/bars/(?P<part>\\w+)", "count", "published runs and configurations behind the design's intervals",
           "runs outside the fit, of the same evidence class (docs/validation.md)", (), "given",
           ("calibration/bars.yaml",)),
    Figure(f"{D}/intervals/(?P<part>[^/]+)/(low|high)", "as the figure", "end of a figure's 80 % interval",
           "figure x the interval of time, 1 / that of tokens per second", ("bars/runs", "bars/groups"),
           sources=("calibration/bars.yaml",)),
    Figure(f"{D}/best_share", "share", "share of the draws in which this design is the best that is allowed",
           "10,000 joint draws of speeds, prices and rates within their intervals (docs/search.md)",
           ("bars/runs", "fact:constants/design_error"), sources=("calibration/bars.yaml",)),
    Figure(f"{D}/time_parts/(?P<part>\\w+)", "s", "share of the step that this part takes",
           "see the step's formula", ("predicted/step_time_s", "predicted/tpot_s"), sources=(STUDY, SERVING)),
    Figure(f"{D}/memory/(?P<part>\\w+)", "B", "bytes on the fullest chip",
           "weights + gradients + optimizer + activations + cache + other, over the worst pipeline stage",
           ("parallelism/tp", "parallelism/pp", "parallelism/zero", "fact:chips/{chip}/memory")),
    Figure(f"{D}/fabric/(?P<what>\\w+)(/[\\w-]+)?", "count, bytes/s, USD or W", "the network",
           "counted port by port; every leaf has the same whole number of links to every spine",
           ("chips", "fabric/radix", "fabric/oversubscription", "fabric/port_bandwidth")),
    Figure(f"{D}/it_power_w", "W", "peak IT power",
           "units x unit power x (1 + storage power share) + network",
           ("chips", "fact:systems/{system}/power", "fact:systems/{system}/unit_chips", "fabric/power_w",
            "fact:constants/storage_power_share")),
    Figure(f"{D}/power_w", "W", "peak facility power", "IT power x PUE",
           ("it_power_w", "fact:sites/{where}/pue")),
    Figure(f"{D}/energy_j", "J", "energy over the horizon", "facility power x mean load x horizon",
           ("power_w", "fact:constants/mean_load", "cost/horizon_s")),
    Figure(f"{D}/carbon_kg", "kg", "emissions over the horizon", "energy x carbon intensity of the grid",
           ("energy_j", "fact:sites/{where}/carbon_intensity")),
    Figure(f"{D}/cost/horizon_s", "s", "time over which the design is costed",
           "the run for training; the request's horizon or five years for serving",
           ("predicted/time_s", "fact:constants/serve_horizon")),
    Figure(f"{D}/cost/(capital_usd|known_usd)", "USD", "everything bought; known_usd is the part with a known price",
           "servers + network + storage + building",
           ("cost/acquire", "cost/parts/servers_usd", "cost/parts/network_usd", "cost/parts/storage_usd",
            "cost/parts/building_usd")),
    Figure(f"{D}/cost/total_usd", "USD", "cost of the job over its horizon",
           "straight-line share of capital + capital charge + energy + operation; or the rent",
           ("cost/parts/depreciation_usd", "cost/parts/capital_charge_usd", "cost/parts/energy_usd",
            "cost/parts/operation_usd", "cost/parts/rent_usd")),
    Figure(f"{D}/cost/per_million_(output_)?tokens_usd", "USD", "cost per million tokens",
           "total / tokens x 1,000,000 (trained tokens, or input + output tokens; output only where it says so)",
           ("cost/total_usd", "job/tokens", "predicted/tokens_per_s", "cost/horizon_s")),
    Figure(f"{D}/cost/parts/servers_usd", "USD", "servers with their chips",
           "chips / unit chips x price of the unit; or chips x chip price x (1 + server share)",
           ("chips", "fact:systems/{system}/unit_chips", *PRICES)),
    Figure(f"{D}/cost/parts/network_usd", "USD", "switches and transceivers",
           "switches x price + transceivers x price", ("fabric/switches", "fabric/optics")),
    Figure(f"{D}/cost/parts/storage_usd", "USD", "storage", "(servers + network) x storage share",
           ("cost/parts/servers_usd", "cost/parts/network_usd", "fact:constants/storage_share")),
    Figure(f"{D}/cost/parts/building_usd", "USD", "building and power chain", "IT power x cost per W",
           ("it_power_w", "fact:sites/{where}/building_cost")),
    Figure(f"{D}/cost/parts/depreciation_usd", "USD", "what wears off over the horizon",
           "(servers + network + storage) x horizon / chip lifetime + building x horizon / building lifetime",
           ("cost/parts/servers_usd", "cost/parts/building_usd", "cost/horizon_s", "fact:constants/chip_lifetime",
            "fact:constants/building_lifetime")),
    Figure(f"{D}/cost/parts/capital_charge_usd", "USD", "charge on the capital", "capital x rate x years",
           ("cost/capital_usd", "fact:constants/capital_charge_rate", "cost/horizon_s")),
    Figure(f"{D}/cost/parts/energy_usd", "USD", "electricity", "energy x price",
           ("energy_j", *PLACE)),
    Figure(f"{D}/cost/parts/operation_usd", "USD", "staff, maintenance, spares",
           "(servers + network + storage) x share per year x years",
           ("cost/parts/servers_usd", "fact:constants/operation_share", "cost/horizon_s")),
    Figure(f"{D}/cost/parts/rent_usd", "USD", "rent", "chips x price per chip-second x horizon",
           ("chips", "cost/horizon_s", "fact:prices/{chip}/rent")),
    Figure(f"{D}/simulated/(?P<what>.+)", "s or count", "what simulated requests met, one by one",
           "one replica, or a worker of each pool, at its share of the load; Poisson arrivals; the model's step times",
           ("job/requests_per_second", "replicas", "job/input", "job/output"), sources=(SERVING,)),
    Figure(f"{D}/bill/(?P<line>\\d+)/(?P<what>\\w+)", "count or USD", "a line of the bill of materials",
           "quantity x unit price; the source stands in the line", ("bill/{line}/source",)),
    Figure(r"/facts/(?P<key>.+)/(value|low|high)", "SI", "a fact of the catalog", "read from its source",
           ("/facts/{key}/source", "/facts/{key}/date", "/facts/{key}/verified"), "measured"),
    Figure(r"/uncertainty/(?P<what>.+)", "share, count or USD", "how sure the choice is",
           "10,000 joint draws of speeds, prices and rates within their intervals (docs/search.md)",
           ("/facts/constants~1design_error/value",), sources=("calibration/bars.yaml",)),
    Figure(r"/sensitivity/(?P<what>.+)", "factor, or as the fact", "where another design becomes the best",
           "costs are straight lines in each price, rate and speed; the winner changes where they cross"),
    Figure(r"/simulated/(?P<what>.+)", "count", "designs simulated until one held, and requests of each simulation",
           "best first, in the exact order"),
    Figure(r"/search/(?P<what>.+)", "count", "how many designs were spanned, scored or cut",
           "counted by the search", (), "derived"),
)  # fmt: skip
