// The sentence form and the request file that it writes. What the form does not show is kept as it is.
import type { Json, RequestFile } from "./types";

export interface Form {
  job: "serve" | "train" | "run_on"; model: string; config: Record<string, Json> | null; rate: string; input: string; output: string; tokens: string;
  days: string; chip: string; hertz: string; where: string; when: string; budget: string; kind: string; hq: string; name: string;
  power: string; most: string; chips: string; ttft: string; tpot: string; prefer: string; acquire: string; licence: string; opened: boolean;
}

const text = (value: unknown): string => (value == null || typeof value === "object" ? "" : String(value));
const within = (value: unknown, unit: string): string => text(value).replace(new RegExp(`\\s*${unit}$`), "");
const millions = (value: unknown): string => {
  const match = /^([\d.]+)\s*([kMBT]?)\s*(USD)?$/.exec(text(value));
  if (!match) return text(value);
  const scale = { "": 1e-6, k: 1e-3, M: 1, B: 1e3, T: 1e6 }[match[2]] ?? 1;
  return String(Number((Number(match[1]) * scale).toPrecision(12)));
};

export function read(request: RequestFile): Form {
  const job = (["serve", "train", "run_on"] as const).find((k) => request.make?.[k]) ?? "serve";
  const made = request.make?.[job] ?? {};
  const inline = made.model && typeof made.model === "object" ? (made.model as Record<string, Json>) : null;
  const limits = request.limits ?? {};
  return {
    job, model: inline ? text(inline.name) || "my model" : text(made.model), config: inline ? (inline.config as Record<string, Json>) : null,
    rate: text(made.requests_per_second), input: text(made.input), output: text(made.output), tokens: text(made.tokens), days: within(made.within, "days"),
    chip: text(made.chip), hertz: within(made.rate, "Hz"), where: request.where, when: request.when, budget: millions(limits.budget),
    kind: request.buyer?.kind ?? "", hq: request.buyer?.headquarters ?? "", name: request.buyer?.name ?? "", power: within(limits.power, "MW"),
    most: text(limits.chips_max), chips: Array.isArray(limits.chips) ? limits.chips.join(", ") : text(limits.chips), ttft: within(made.ttft_p99, "s"), tpot: within(made.tpot_p99, "ms"),
    prefer: request.prefer ?? "cost", acquire: request.acquire ?? "either", licence: text(limits.licence) || "may-apply",
    opened: Boolean(request.buyer || limits.power || limits.chips_max || limits.chips),
  };
}

const number = (value: string): Json | undefined => (value.trim() === "" ? undefined : /^[\d.]+(e\d+)?$/i.test(value.trim()) ? Number(value) : value.trim());
const united = (value: string, unit: string): Json | undefined => (value.trim() === "" ? undefined : /^[\d.]+$/.test(value.trim()) ? `${value.trim()} ${unit}` : value.trim());
function trimmed<V>(fields: Record<string, V | undefined>): Record<string, V> | undefined {
  const kept = Object.entries(fields).filter(([, v]) => v !== undefined && v !== "");
  return kept.length ? (Object.fromEntries(kept) as Record<string, V>) : undefined;
}

export function write(form: Form, before: RequestFile): RequestFile {
  const old = before.make?.[form.job] ?? {};
  const model: Json = form.config ? { name: form.model, config: form.config } : form.model;
  const sizes = { input: number(form.input) ?? (form.job === "run_on" ? 600 : 2000), output: number(form.output) ?? (form.job === "run_on" ? 6 : 1000) };
  const job: Record<string, Json | undefined> = form.job === "train"
    ? { ...old, model, tokens: form.tokens.trim() || "1T", within: united(form.days || (form.tokens ? "" : "60"), "days") }
    : form.job === "serve"
      ? { ...old, model, requests_per_second: number(form.rate), ...sizes, ttft_p99: united(form.ttft, "s"), tpot_p99: united(form.tpot, "ms") }
      : { ...old, model, chip: form.chip.trim() || "drive-thor", rate: united(form.hertz || "10", "Hz"), ...sizes };
  const chips = form.chips.split(",").map((c) => c.trim()).filter(Boolean);
  const shown = ["budget", "power", "chips", "chips_max", "licence"];
  const kept = Object.fromEntries(Object.entries(before.limits ?? {}).filter(([k]) => !shown.includes(k)));
  return {
    ...before,
    make: { [form.job]: trimmed(job) ?? {} },
    where: form.where.trim(), when: form.when.trim(),
    buyer: trimmed({ kind: form.kind, headquarters: form.hq, name: form.name }),
    limits: trimmed<Json>({ ...kept, budget: united(form.budget, "M USD"), power: united(form.power, "MW"), chips: chips.length ? chips : undefined, chips_max: number(form.most), licence: form.licence === "may-apply" ? undefined : form.licence }),
    prefer: form.prefer === "cost" ? undefined : form.prefer,
    acquire: form.acquire === "either" ? undefined : form.acquire,
  };
}

export const PRESETS: { name: string; request: RequestFile }[] = [
  { name: "DeepSeek-R1 for Malaysia", request: { make: { serve: { model: "deepseek-r1", requests_per_second: 50, input: 2000, output: 1000 } }, where: "MY", when: "2026-06", limits: { budget: "20 M USD" } } },
  { name: "DeepSeek-R1 from Taipei, fast answers", request: { make: { serve: { model: "deepseek-r1", requests_per_second: 50, input: 2000, output: 1000, ttft_p99: "2 s", tpot_p99: "50 ms" } }, where: "TW", when: "2026-03", buyer: { kind: "commercial", headquarters: "TW" }, limits: { power: "20 MW" } } },
  { name: "Train DeepSeek-V3 in Abu Dhabi", request: { make: { train: { model: "deepseek-v3", tokens: "14.8T", within: "60 days" } }, where: "AE", when: "2025-05-02", buyer: { kind: "commercial", headquarters: "AE" }, limits: { budget: "2000 M USD", power: "50 MW" } } },
  { name: "Train Qwen in Shenzhen after the H20 letter", request: { make: { train: { model: "qwen2.5-72b", tokens: "2T", within: "90 days" } }, where: "CN", when: "2025-04-20", buyer: { kind: "commercial", headquarters: "CN" }, limits: { budget: "800 M USD", power: "40 MW" } } },
  { name: "A model that drives a car", request: { make: { run_on: { chip: "drive-thor", model: "qwen3-vl-2b", rate: "10 Hz", input: 600, output: 6 } }, where: "JP", when: "2026-06", prefer: "energy" } },
];

/** The command line that asks the same question. */
export function command(request: RequestFile): string {
  const body = JSON.stringify(request).replaceAll("'", "'\\''");
  return `printf '%s' '${body}' > request.json && tokenworks quote request.json`;
}
