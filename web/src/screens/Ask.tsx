import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { get, post, Problem } from "../api";
import { useWords } from "../i18n";
import { PRESETS, read, write, type Form } from "../request";
import { go } from "../state";
import type { Json, RequestFile } from "../types";

interface Names { id: string; name: string }
interface Checked { jobs: { model: string; systems: string[]; chips: string[]; missing: Record<string, string[]> }[]; world: { date: string; stale: boolean } }

/** A sentence with holes: the text of the language, the holes filled with fields. */
function Sentence({ text, holes }: { text: string; holes: Record<string, ReactNode> }) {
  return <>{text.split(/(\{\w+\})/).map((part, i) => <span key={i}>{/^\{/.test(part) ? holes[part.slice(1, -1)] : part}</span>)}</>;
}

function Field({ label, value, set, list, size, kind = "text" }: { label: string; value: string; set: (v: string) => void; list?: string; size: number; kind?: string }) {
  return <input className="inline" aria-label={label} title={label} value={value} list={list} type="text" inputMode={kind === "number" ? "decimal" : undefined} autoComplete="off" spellCheck={false} style={{ minWidth: `${Math.min(size, 4)}ch` }} size={Math.max(value.length, size)} onChange={(e) => set(e.target.value)} />;
}

function Choice({ label, value, set, of, className = "inline" }: { label: string; value: string; set: (v: string) => void; of: [string, string][]; className?: string }) {
  return <select className={className} aria-label={label} title={label} value={value} onChange={(e) => set(e.target.value)}>{of.map(([v, name]) => <option key={v} value={v}>{name}</option>)}</select>;
}

export default function Ask({ request, ask }: { request: RequestFile; ask: (r: RequestFile) => void }) {
  const { t, lang } = useWords();
  const form = useMemo(() => read(request), [request]);
  const [models, setModels] = useState<Names[]>([]);
  const [places, setPlaces] = useState<Names[]>([]);
  const [chips, setChips] = useState<Names[]>([]);
  const [over, setOver] = useState(false);
  const [dropped, setDropped] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    const bring = (kind: string, set: (n: Names[]) => void) =>
      get<{ entries: Names[] }>(`/v1/catalog/${kind}`, stop.signal).then((a) => set(a.entries), () => undefined);
    void bring("models", setModels);
    void bring("sites", setPlaces);
    void bring("chips", setChips);
    return () => stop.abort();
  }, []);
  const regions = useMemo(() => {
    const names = new Intl.DisplayNames([lang === "en" ? "en" : "zh-Hant-TW"], { type: "region" });
    const named = places.map((p): [string, string] => [p.id, names.of(p.id) ?? p.name]);
    const known = named.some(([id]) => id === form.where) ? named : [...named, [form.where, names.of(/^[A-Z]{2}$/.test(form.where) ? form.where : "ZZ") ?? form.where] as [string, string]];
    return known.sort((a, b) => a[1].localeCompare(b[1], lang));
  }, [places, lang, form.where]);
  const set = (change: Partial<Form>) => go({ r: JSON.stringify(write({ ...form, ...change }, request)), id: "" });
  const take = async (file: File | undefined) => {
    if (!file) return;
    try {
      if (file.size > 1_000_000) throw new Problem(t("This file is too large"), t("a config.json has a few kilobytes"), 0);
      const config = JSON.parse(await file.text()) as Record<string, Json>;
      const name = file.name.replace(/\.json$/, "") === "config" ? String(config._name_or_path || config.model_type || "my model").split("/").pop()! : file.name.replace(/\.json$/, "");
      await post("/v1/models/import", { config, name });
      set({ model: name, config });
      setDropped(null);
    } catch (error) {
      setDropped(error instanceof Problem ? error : new Problem(t("This is no config.json"), error instanceof SyntaxError ? t("it is not JSON") : String(error), 0));
    }
  };
  const job: ReactNode = <Choice label={t("What to do")} value={form.job} set={(v) => set({ job: v as Form["job"] })} of={[["serve", t("Serve")], ["train", t("Train")], ["run_on", t("Run")]]} />;
  const model = form.config
    ? <span className="chosen">{form.model} <button type="button" className="quiet" aria-label={t("Take out {name}", { name: form.model })} onClick={() => set({ config: null, model: "deepseek-r1" })}>✕</button></span>
    : <Field label={t("Model")} value={form.model} set={(v) => set({ model: v })} list="models" size={8} />;
  const number = (label: string, key: keyof Form, size = 3) => <Field label={label} value={String(form[key])} set={(v) => set({ [key]: v } as Partial<Form>)} size={size} kind="number" />;
  const load = form.job === "train"
    ? <Sentence text={t("on {tokens} tokens within {days} days")} holes={{ tokens: number(t("Tokens"), "tokens"), days: number(t("Days"), "days") }} />
    : form.job === "serve"
      ? <Sentence text={t("{rate} requests a second ({input} tokens in, {output} out)")} holes={{ rate: number(t("Requests a second"), "rate"), input: number(t("Tokens in"), "input"), output: number(t("Tokens out"), "output") }} />
      : <Sentence text={t("on one {chip}, {hertz} times a second ({input} tokens in, {output} out)")} holes={{ chip: <Field label={t("Chip")} value={form.chip} set={(v) => set({ chip: v })} list="chips" size={9} />, hertz: number(t("Times a second"), "hertz"), input: number(t("Tokens in"), "input"), output: number(t("Tokens out"), "output") }} />;
  return (
    <div className={`ask ${over ? "over" : ""}`} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
      onDrop={(e) => { e.preventDefault(); setOver(false); void take(e.dataTransfer.files[0]); }}>
      <h1>{t("What would you like to make?")}</h1>
      <p className="lead">{t("Say what, where, when and for how much. The answer: AI factories that are lawful, simulated and priced, every figure with its source.")}</p>
      <form onSubmit={(e) => { e.preventDefault(); ask(write(form, request)); }}>
        <p className="sentence">
          <Sentence text={t("{job} {model}, {load}, in {where}, from {when}, below {budget} million US dollars.")}
            holes={{ job, model, load, where: <Choice label={t("Country")} value={form.where} set={(v) => set({ where: v })} of={regions} />, when: <Field label={t("From (year-month or a day)")} value={form.when} set={(v) => set({ when: v })} size={7} />, budget: number(t("Budget in million US dollars"), "budget") }} />
        </p>
        <datalist id="models">{models.map((m) => <option key={m.id} value={m.id}>{m.name}</option>)}</datalist>
        <datalist id="chips">{chips.map((m) => <option key={m.id} value={m.id}>{m.name}</option>)}</datalist>
        <div className="actions">
          <button type="submit" className="primary">{t("Quote")}</button>
          <Live request={request} />
        </div>
        <fieldset className="presets"><legend>{t("Or start from an example")}</legend>
          {PRESETS.map((p) => <button key={p.name} type="button" onClick={() => go({ r: JSON.stringify(p.request), id: "" })}>{t(p.name)}</button>)}
        </fieldset>
        <details className="more" open={form.opened}>
          <summary>{t("Buyer, limits and wishes")}</summary>
          <div className="grid">
            <label>{t("Kind of buyer")}<Choice className="" label={t("Kind of buyer")} value={form.kind} set={(v) => set({ kind: v })} of={[["", t("not said: commercial")], ["commercial", t("commercial")], ["government", t("government")], ["military", t("military")], ["entity_list", t("on the Entity List")], ["affiliate_of_listed", t("affiliate of a listed party")]]} /></label>
            <label>{t("Headquarters")}<Choice className="" label={t("Headquarters")} value={form.hq} set={(v) => set({ hq: v })} of={[["", t("not said: the country of the site")], ...regions]} /></label>
            <label>{t("Name of the buyer")}<input value={form.name} onChange={(e) => set({ name: e.target.value })} /></label>
            <label>{t("Power, MW")}<input inputMode="decimal" value={form.power} onChange={(e) => set({ power: e.target.value })} /></label>
            <label>{t("At most so many chips")}<input inputMode="numeric" value={form.most} onChange={(e) => set({ most: e.target.value })} /></label>
            <label>{t("Only these chips (with commas)")}<input list="chips" value={form.chips} onChange={(e) => set({ chips: e.target.value })} /></label>
            {form.job === "serve" ? <>
              <label>{t("First token within, s (p99)")}<input inputMode="decimal" value={form.ttft} onChange={(e) => set({ ttft: e.target.value })} /></label>
              <label>{t("Each further token within, ms (p99)")}<input inputMode="decimal" value={form.tpot} onChange={(e) => set({ tpot: e.target.value })} /></label>
            </> : null}
            <label>{t("Prefer")}<Choice className="" label={t("Prefer")} value={form.prefer} set={(v) => set({ prefer: v })} of={[["cost", t("low cost")], ["time", t("little time")], ["energy", t("little energy")], ["carbon", t("little carbon")]]} /></label>
            <label>{t("Buy or rent")}<Choice className="" label={t("Buy or rent")} value={form.acquire} set={(v) => set({ acquire: v })} of={[["either", t("either")], ["buy", t("buy")], ["rent", t("rent")]]} /></label>
            <label>{t("Licences")}<Choice className="" label={t("Licences")} value={form.licence} set={(v) => set({ licence: v })} of={[["may-apply", t("may be applied for")], ["none", t("only what needs none")]]} /></label>
          </div>
        </details>
        <div className="drop">
          <label className="file"><span>{t("Your own model: drop its config.json here, or")} <span className="button">{t("choose the file")}</span></span>
            <input type="file" className="sr" accept=".json,application/json" onChange={(e) => { void take(e.target.files?.[0]); e.target.value = ""; }} /></label>
          {dropped instanceof Problem ? <p role="alert" className="bad">{dropped.title}: {dropped.detail}</p> : null}
        </div>
      </form>
    </div>
  );
}

/** Says while the sentence is written whether it can be answered, and which facts are missing. */
function Live({ request }: { request: RequestFile }) {
  const { t } = useWords();
  const [found, setFound] = useState<Checked | Problem | null>(null);
  const text = JSON.stringify(request);
  const first = useRef(true);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      post<Checked>("/v1/check", JSON.parse(text), stop.signal).then(setFound, (e) => !stop.signal.aborted && setFound(e instanceof Problem ? e : null));
    }, first.current ? 50 : 500);
    first.current = false;
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  if (found === null) return <p className="live" role="status">{t("Checking …")}</p>;
  if (found instanceof Problem) return <p className="live bad" role="status">{found.title === "offline" ? t("The server cannot be reached") : <>{found.field ? <code>{found.field}</code> : null} {found.detail || found.title}</>}</p>;
  const job = found.jobs[0];
  const missing = new Set(found.jobs.flatMap((j) => Object.keys(j.missing)));
  return (
    <div className="live" role="status">
      <p>✓ {t("{chips} chips in {systems} systems can be weighed on {date}.", { chips: job?.chips.length ?? 0, systems: job?.systems.length ?? 0, date: found.world.date })}</p>
      {found.world.stale ? <p className="warn">{t("After the last rules that we know: confirm the law.")}</p> : null}
      {missing.size ? (
        <details><summary>{t("{n} systems lack a fact and stand apart", { n: missing.size })}</summary>
          <ul>{found.jobs.flatMap((j) => Object.entries(j.missing)).slice(0, 40).map(([key, names]) => <li key={key}><b>{key}</b>: {names.join(", ").replaceAll("_", " ")}</li>)}</ul>
        </details>
      ) : null}
    </div>
  );
}
