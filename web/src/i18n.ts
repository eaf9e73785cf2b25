// 繁體中文 and English. The page's own sentences are in zh.ts by their English text; sentences of answers come from
// the program's own message catalogue, by their English template.
import { createContext, useContext } from "react";
import type { Said } from "./types";
import { zh } from "./zh";

export type Lang = "en" | "zh-Hant";
/** Names of fields, where English says them otherwise. */
const EN: Record<string, string> = {
  kv: "cache (KV)", tp: "tensor parallel", cp: "context parallel", ep: "expert parallel", dp: "data parallel", pp_bubble: "pipeline bubble", pp_p2p: "pipeline sends",
  compute: "matrix products", servers_usd: "servers", network_usd: "network", storage_usd: "storage", building_usd: "building", depreciation_usd: "depreciation",
  capital_charge_usd: "capital charge", energy_usd: "energy", operation_usd: "operation", rent_usd: "rent", run_on: "run on a chip", node: "nodes", leaf: "leaf switches", spine: "spine switches", core: "core switches", router: "routers",
};
const plain = (text: string): string => (/^[a-z0-9]+(_[a-z0-9]+)+$/.test(text) ? text.replaceAll("_", " ") : text);
export type T = (text: string, values?: Record<string, unknown>) => string;

const fill = (text: string, values: Record<string, unknown>): string =>
  text.replace(/\{(\w+)(?:![rs])?(?::[^}]*)?\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));

export function translator(lang: Lang): T {
  return (text, values = {}) => fill((lang === "en" ? EN[text] : zh[text]) ?? plain(text), values);
}

export interface Language { lang: Lang; t: T; say: (said: Said | string | undefined) => string }
export const Words = createContext<Language>({ lang: "en", t: translator("en"), say: String });
export const useWords = () => useContext(Words);

/** Says sentences of answers: a template and its values, themselves perhaps sentences. */
export function sayer(messages: Record<string, string>): Language["say"] {
  const listed = (text: string): string => { // a class of evidence, part by part
    const parts = text.split(", ");
    return parts.every((p) => messages[p]) ? parts.map((p) => messages[p]).join(/[\u4e00-\u9fff]/.test(messages[parts[0]]) ? "、" : ", ") : text;
  };
  const say = (said: unknown): string => {
    if (said == null) return "";
    if (typeof said !== "object") return messages[String(said)] ?? listed(String(said));
    const { template, values = {} } = said as Said;
    const told = Object.fromEntries(Object.entries(values).map(([k, v]) => [k, typeof v === "object" ? say(v) : (messages[String(v)] ?? v)]));
    return fill(messages[template] ?? template, told);
  };
  return say;
}
