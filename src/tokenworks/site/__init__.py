"""Site: IT power -> facility power, racks, energy, carbon. Column formulas, SI."""

from tokenworks.site.energy import carbon, energy, facility_power, it_power, racks

__all__ = ["carbon", "energy", "facility_power", "it_power", "racks"]
