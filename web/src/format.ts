// Figures in words. SI inside; what a person reads is made here and nowhere else.
const PREFIX = ["", "k", "M", "G", "T", "P", "E", "Z"];

export function digits(x: number, n = 3): string {
  if (x === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(x)));
  if (size >= 12 || size < -4) return x.toPrecision(n);
  return new Intl.NumberFormat("en", { maximumSignificantDigits: size >= n ? size + 1 : n }).format(Number(x.toPrecision(n)));
}

export function whole(x: number): string {
  return new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(Math.abs(x) < 0.5 ? 0 : x); // never -0
}

export function si(x: number | null | undefined, unit: string): string {
  if (x == null || !Number.isFinite(x)) return "–";
  let step = 0;
  let value = x;
  while (Math.abs(value) >= 1000 && step < PREFIX.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${digits(value)} ${PREFIX[step]}${unit}`;
}

export function money(x: number | null | undefined): string {
  if (x == null || !Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (size >= 1e9) return `$${digits(x / 1e9)} B`;
  if (size >= 1e6) return `$${digits(x / 1e6)} M`;
  if (size >= 1e4) return `$${digits(x / 1e3)} k`;
  return `$${digits(x)}`;
}

export function seconds(x: number | null | undefined, t: (s: string) => string): string {
  if (x == null || !Number.isFinite(x)) return "–";
  if (x === 0) return "0 s";
  if (x >= 2 * 86400) return `${digits(x / 86400)} ${t("days")}`;
  if (x >= 2 * 3600) return `${digits(x / 3600)} ${t("h")}`;
  if (x >= 120) return `${digits(x / 60)} ${t("min")}`;
  if (x >= 1) return `${digits(x)} s`;
  if (x >= 1e-3) return `${digits(x * 1e3)} ms`;
  return `${digits(x * 1e6)} µs`;
}

/** The unit in which an axis up to `most` has round ticks, in SI. */
export function tick(kind: Kind, most: number): number {
  if (kind === "joules") return 3600;
  return kind === "seconds" ? ([86400, 3600, 60, 1, 1e-3, 1e-6].find((unit) => most >= 2 * unit) ?? 1e-6) : 1;
}

export type Kind = "money" | "seconds" | "watts" | "joules" | "kilograms" | "rate" | "count" | "share" | "bytes" | "plain";
export function figure(x: number | null | undefined, kind: Kind, t: (s: string) => string): string {
  if (x == null || !Number.isFinite(x)) return "–";
  switch (kind) {
    case "money": return money(x);
    case "seconds": return seconds(x, t);
    case "watts": return si(x, "W");
    case "joules": return x >= 3.6e6 ? si(x / 3600, "Wh") : si(x, "J");
    case "kilograms": return x >= 1000 ? `${digits(x / 1000)} t` : `${digits(x)} kg`;
    case "rate": return `${si(x, "").trim()}/s`;
    case "count": return whole(x);
    case "share": return `${digits(x * 100)} %`;
    case "bytes": return si(x, "B");
    default: return digits(x);
  }
}

/** A cell of a CSV file that no spreadsheet takes for a formula. */
export function cell(value: unknown): string {
  const text = value == null ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r\0]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
