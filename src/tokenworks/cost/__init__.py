"""Cost: what is bought, burnt and rented -> capital, total, cost per token. Column formulas, USD."""

from tokenworks.cost.money import (
    YEAR,
    Capital,
    Owning,
    building,
    capital,
    owning,
    per_million_tokens,
    renting,
    server_price,
    storage,
)

__all__ = [
    "YEAR",
    "Capital",
    "Owning",
    "building",
    "capital",
    "owning",
    "per_million_tokens",
    "renting",
    "server_price",
    "storage",
]
