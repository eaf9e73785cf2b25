// The parts of the API's answers that the page shows. The JSON Schemas of the program are the full description.
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export interface Said { template: string; values?: Record<string, unknown> }
export interface Estimate { value: number; low: number | null; high: number | null; limits?: { floor: number | null; ceiling: number | null } }
export interface Line { regime: string; licence: string; eccn: string | null; exception: string | null; review_policy: string | null; citations: (string | Citation)[]; reasons: (string | Said)[]; conditions?: (string | Said)[] }
export interface Citation { rule: string; from?: string | null; to?: string | null; verified?: boolean }
export interface BillLine { item: string; quantity: number; unit_price_usd: number | null; source: string; assumed?: boolean; low?: number | null; high?: number | null }
export interface Design {
  id: string; make: string; model: string; chip: string; chip_name: string; vendor: string; system: string; system_name: string;
  chips: number; nodes: number; units: number; chips_per_node: number; replicas: number; framework: string;
  parallelism: Record<string, number | string | boolean>; precision: string;
  predicted: Record<string, Estimate>; time_parts?: Record<string, number>; bound?: string;
  memory: Record<string, number>; bars?: { class: string; runs: number; groups: number } | null;
  intervals?: Record<string, { low: number | null; high: number | null }>;
  fabric: Record<string, unknown> & { topology: string; switches: Record<string, number>; cables: Record<string, number>; optics: number; bisection: number; cost_usd: number | null; power_w: number; port_bandwidth: number };
  power_w: number; energy_j: number; carbon_kg: number; acquire?: string;
  cost: Record<string, number | null>; law: { verdict: string; lines: Line[]; assumed?: { field: string; value: string }[]; standing?: string };
  best_share?: number; bill: BillLine[]; warnings: Said[]; missing?: string[]; simulated?: Record<string, unknown>;
}
export interface Apart { make: string; chip: string; chip_name: string; vendor: string; id?: string; missing?: string[]; warnings: Said[]; law?: Design["law"]; cost?: Design["cost"] }
export interface Barred { make: string; chip: string; chip_name: string; vendor: string; licence: string; review_policy: string | null; reasons: Said[]; citations: string[] }
export interface Chances { draws: number; best_share: number; best_chip_share: number; none_share: number; by_chip: Record<string, number>; total_usd: { p10: number; p50: number; p90: number } | null }
export interface Quote {
  schema: string; id: string; version: string; request: RequestFile;
  world: { date: string; catalog: string; law_known_to: string; stale: boolean };
  search: { spanned: number; scored: number; cut: Record<string, number>; bounded: Record<string, number>; beaten: number };
  best: Record<string, string | null>; front: string[];
  infeasible: null | { make: string; binding: { limit: string } & Said; nearest: null | ({ change: string; value: number } & Said) };
  uncertainty: Record<string, Chances>;
  designs: Design[]; apart: Apart[]; barred: Barred[]; facts: Record<string, unknown>; seconds?: number;
}
export interface RequestFile {
  make: Record<string, Record<string, Json>>; where: string; when: string;
  buyer?: { kind?: string; headquarters?: string; name?: string };
  limits?: Record<string, Json>; prefer?: string; acquire?: string; [key: string]: unknown;
}
export interface Verdict { from?: string; licence: string; eccn: string | null; exception: string | null; review_policy: string | null; citations: Citation[]; reasons: string[]; lines: Line[]; stale?: boolean; assumed?: { field: string; value: string }[] }
export interface Explanation { figure: string; value: unknown; unit: string; kind: string; meaning: string; formula: string; low: number | null; high: number | null; sources: string[]; inputs: { name: string; pointer: string; value: unknown; unit?: string; source?: string; date?: string | null; assumed?: boolean; verified?: boolean }[] }
