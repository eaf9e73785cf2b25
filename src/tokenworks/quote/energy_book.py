"""What the figures of a country's power by quarters mean (scenario/energy.py): data for `explain`."""

from __future__ import annotations

from tokenworks.quote.figures import Figure

AT = r"/(?P<side>[ab])/energy/(?P<n>\d+)"
ROW = "/{side}/energy/{n}/quarters/{q}/"
NUMBER = "/{side}/energy/{n}/numbers?name="
BEFORE = "/{side}/energy/{n}/before/"
Q = rf"{AT}/quarters/(?P<q>\d+)"

ENERGY = (
    Figure(
        rf"{AT}/numbers/(?P<k>\d+)/(value|low|high)",
        "as its `unit`",
        "a number to change with a scenario",
        "read from its source, or assumed",
        ("/{side}/energy/{n}/numbers/{k}",),
        "assumed",
    ),
    Figure(
        rf"{AT}/before/\w+",
        "share, kg/J or USD/J",
        "the country's electricity before supply of the fuel ends",
        "a fact of the catalog",
        sources=("catalog/data/sites.yaml",),
    ),
    Figure(
        rf"{Q}/number",
        "count",
        "quarters since supply of the fuel ended",
        "counted from the first day",
        ("/{side}/energy/{n}/from",),
        "given",
    ),
    Figure(
        rf"{Q}/remaining",
        "share",
        "what the fuel's plants still make, of what they made before",
        "1 up to the stock's end, then falling evenly to 0 over a cycle, as cores run out one after the other",
        (ROW + "number", NUMBER + "stock/", NUMBER + "cycle/"),
    ),
    Figure(
        rf"{Q}/lost",
        "share",
        "electricity that is lost, of all that was made",
        "share of the fuel x (1 - remaining)",
        (BEFORE + "share", ROW + "remaining"),
    ),
    Figure(
        rf"{Q}/made_up",
        "share",
        "what replacement fuel makes up, of what is lost",
        "rises evenly from `at_once` to `replaced` over the delay",
        (ROW + "number", NUMBER + "at_once/", NUMBER + "replaced/", NUMBER + "delay/"),
    ),
    Figure(
        rf"{Q}/short",
        "share",
        "electricity that is missing, of all that was made",
        "lost x (1 - made up)",
        (ROW + "lost", ROW + "made_up"),
    ),
    Figure(
        rf"{Q}/carbon",
        "kg/J",
        "emissions of the electricity that is made",
        "(before - lost x carbon of the lost fuel + lost x made up x carbon of the replacement) / (1 - missing)",
        (
            BEFORE + "carbon_intensity",
            ROW + "lost",
            ROW + "made_up",
            ROW + "short",
            NUMBER + "carbon_lost/",
            NUMBER + "carbon_by/",
        ),
    ),
    Figure(
        rf"{Q}/price",
        "USD/J",
        "price of electricity",
        "before + lost x made up x (cost of the replacement - cost saved)",
        (
            BEFORE + "electricity_price",
            ROW + "lost",
            ROW + "made_up",
            NUMBER + "cost_by/",
            NUMBER + "cost_saved/",
        ),
    ),
    Figure(
        rf"{Q}/delivered",
        "share",
        "what a new site gets of the power it was promised",
        "1 - burden x missing, not below 0; a request's limit on power is multiplied by it",
        (ROW + "short", NUMBER + "burden/"),
    ),
)
