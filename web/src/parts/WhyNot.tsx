import { useEffect, useMemo, useState } from "react";
import { post } from "../api";
import { useWords } from "../i18n";
import { digits, figure } from "../format";
import { MEASURES } from "../measures";
import { address, type State } from "../state";
import type { Quote, Said } from "../types";
import { ErrorNote } from "./Basics";

interface Told { status: string; [key: string]: unknown }

/** Why a chip is not the answer: what the search says of it, and what the quote shows. */
export default function WhyNot({ quote, make, state }: { quote: Quote; make: string; state: State }) {
  const { t, say } = useWords();
  const [chip, setChip] = useState("");
  const [told, setTold] = useState<Told | null>(null);
  const [error, setError] = useState<unknown>(null);
  const names = useMemo(() => {
    const all = [...quote.designs, ...quote.apart, ...quote.barred].filter((d) => d.make === make || !make);
    return [...new Map(all.map((d) => [d.chip, d.chip_name])).entries()].sort((a, b) => a[1].localeCompare(b[1]));
  }, [quote, make]);
  useEffect(() => {
    setTold(null);
    setError(null);
    if (!chip) return;
    const stop = new AbortController();
    post<Told>("/v1/why-not", { request: quote.request, design: `chip=${chip}` }, stop.signal).then(setTold, (e) => !stop.signal.aborted && setError(e));
    return () => stop.abort();
  }, [chip, quote]);
  if (!names.length) return null;
  const place = quote.designs.findIndex((d) => d.chip === chip && d.make === make);
  const barred = quote.barred.find((d) => d.chip === chip);
  const apart = quote.apart.filter((d) => d.chip === chip);
  const design = quote.designs[place];
  return (
    <section className="whynot">
      <h2>{t("Why not …?")}</h2>
      <label>{t("Chip")} <select value={chip} onChange={(e) => setChip(e.target.value)}><option value="">{t("choose")}</option>{names.map(([id, name]) => <option key={id} value={id}>{name}</option>)}</select></label>
      {chip ? (
        <div role="status" className="note">
          {design ? <><p><strong>{design.id === quote.best[make] ? t("It is the answer.") : t("It is offered, as number {n}.", { n: place + 1 })}</strong> <a href={address("design", { ...state, d: design.id })}>{t("Open")}</a></p>
            {design.law.standing === "licence" ? <p>{t("It needs a licence; lawful designs come first.")}</p> : null}
            <ul>{design.warnings.map((w, i) => <li key={i}>{say(w)}</li>)}</ul></> : null}
          {barred ? <><p><strong>{t("The law bars it.")}</strong></p><ul>{barred.reasons.map((r, i) => <li key={i}>{say(r)}</li>)}</ul><p className="cite">{barred.citations.join(" · ")}</p></> : null}
          {apart.map((a, i) => <div key={i}><p><strong>{a.missing?.length ? t("A fact is missing: {facts}.", { facts: a.missing.join(", ").replaceAll("_", " ") }) : t("It stands apart: its verdict is open or a price is unknown.")}</strong></p><ul>{a.warnings.map((w, j) => <li key={j}>{say(w)}</li>)}</ul></div>)}
          {told ? <><ul>{sentences(told).map((s, i) => <li key={i}>{say(s)}</li>)}</ul><Against by={told.by as By | undefined} /></> : error ? <ErrorNote error={error} /> : <p>{t("Asking the search …")}</p>}
        </div>
      ) : null}
    </section>
  );
}

type By = Record<string, { this: number | null; best: number | null; ratio: number | null }>;
/** The chip's best design against the answer, figure by figure. */
function Against({ by }: { by?: By }) {
  const { t } = useWords();
  const rows = MEASURES.filter((m) => by?.[m.key]?.this != null && by[m.key].ratio !== 1);
  if (!by || !rows.length) return null;
  return (
    <table className="plain">
      <caption>{t("Against the best")}</caption>
      <thead><tr><th scope="col">{t("what")}</th><th scope="col" className="num">{t("this")}</th><th scope="col" className="num">{t("Best")}</th><th scope="col" className="num">{t("ratio")}</th></tr></thead>
      <tbody>{rows.map((m) => { const row = by[m.key]; return <tr key={m.key}><th scope="row">{t(m.name)}</th><td className="num">{figure(row.this, m.kind, t)}</td><td className="num">{figure(row.best, m.kind, t)}</td><td className="num">{row.ratio == null ? "–" : `× ${digits(row.ratio)}`}</td></tr>; })}</tbody>
    </table>
  );
}

/** Every sentence of an answer outside the design itself, in its order. */
function sentences(told: unknown): Said[] {
  if (Array.isArray(told)) return told.flatMap(sentences);
  if (told === null || typeof told !== "object") return [];
  if (typeof (told as Said).template === "string") return [told as Said];
  return Object.entries(told).flatMap(([key, value]) => (key === "design" || key === "best" ? [] : sentences(value)));
}
