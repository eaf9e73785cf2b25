"""Market: many buyers in two worlds; who buys what from whom, who goes without, and what a rule costs."""

from tokenworks.market.demand import Demand, by_day, read
from tokenworks.market.study import compare

__all__ = ["Demand", "by_day", "compare", "read"]
