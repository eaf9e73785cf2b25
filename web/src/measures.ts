// The figures by which designs are compared: where each stands in a quote, how it is said, what it is called.
import type { Kind } from "./format";
import type { Design, Estimate } from "./types";

export interface Measure { key: string; name: string; kind: Kind; at: (d: Design) => Estimate | number | null | undefined; pointer: string }
const predicted = (key: string, name: string, kind: Kind): Measure => ({ key, name, kind, at: (d) => d.predicted[key], pointer: `/predicted/${key}` });
export const MEASURES: Measure[] = [
  { key: "total_usd", name: "Total cost", kind: "money", at: (d) => d.cost.total_usd, pointer: "/cost/total_usd" },
  { key: "capital_usd", name: "Capital", kind: "money", at: (d) => d.cost.capital_usd, pointer: "/cost/capital_usd" },
  { key: "per_million", name: "Per million tokens", kind: "money", at: (d) => d.cost.per_million_tokens_usd, pointer: "/cost/per_million_tokens_usd" },
  predicted("time_s", "Time", "seconds"),
  predicted("tokens_per_s", "Tokens a second", "rate"),
  predicted("ttft_s", "First token", "seconds"),
  predicted("tpot_s", "Each further token", "seconds"),
  predicted("period_s", "One decision", "seconds"),
  predicted("step_time_s", "Step", "seconds"),
  predicted("mfu", "Use of peak (MFU)", "share"),
  { key: "power_w", name: "Power", kind: "watts", at: (d) => d.power_w, pointer: "/power_w" },
  { key: "energy_j", name: "Energy", kind: "joules", at: (d) => d.energy_j, pointer: "/energy_j" },
  { key: "carbon_kg", name: "Carbon", kind: "kilograms", at: (d) => d.carbon_kg, pointer: "/carbon_kg" },
  { key: "chips", name: "Chips", kind: "count", at: (d) => d.chips, pointer: "/chips" },
];
export const number = (m: Measure, d: Design): number | null => {
  const found = m.at(d);
  return found == null ? null : typeof found === "number" ? found : found.value;
};
/** The measures that some design has. */
export const present = (designs: Design[]): Measure[] => MEASURES.filter((m) => designs.some((d) => number(m, d) != null));
