import { useEffect, useState } from "react";
import { get } from "../api";
import type { Kind } from "../format";
import { useWords } from "../i18n";
import { go, type State } from "../state";
import type { Quote, RequestFile } from "../types";
import { useJob } from "./asking";
import { ErrorNote, Law, Table, Working } from "./Basics";
import { Explained, Fig, Pair } from "./Explain";
import Market from "./Market";

interface Scenario { name: string; says: Record<string, string> }
interface Verdict { standing: string; licence: string | null; review_policy: string | null; citations: string[] }
interface Row { make: string; chip_name: string; vendor: string; system: string; id: string }
interface Moved extends Row { figures: Record<string, number | null>; law: Verdict; law_elsewhere: Verdict }
interface Pair extends Row { figures: Record<string, { a: number | null; b: number | null }>; law: { a: Verdict; b: Verdict } }
interface Best { chip_name: string; value: number }
interface Answer { winner: Record<string, { criterion: string; a: Best | null; b: Best | null } | null>; gained: Moved[]; lost: Moved[]; changed: Pair[] }
const CRITERIA: Record<string, [string, Kind]> = { total_usd: ["Total cost", "money"], time_s: ["Time", "seconds"], energy_j: ["Energy", "joules"], carbon_kg: ["Carbon", "kilograms"], tokens_per_s: ["Tokens a second", "rate"] };
const FIGURES: [string, string, Kind][] = [["total_usd", "Total cost", "money"], ["time_s", "Time", "seconds"], ["chips", "Chips", "count"], ["power_w", "Power", "watts"]];

/** Why a system without a verdict is not in the answer of a world. */
const WITHOUT: Record<string, string> = { unmet: "no design meets the request", apart: "a price or a fact is unknown" };

/** The same question in two worlds, side by side. */
export default function WhatIf({ request, state, quote }: { request: RequestFile; state: State; quote: Quote | null }) {
  const { t, lang } = useWords();
  const [known, setKnown] = useState<Scenario[]>([]);
  const { found, error, progress, busy, run, cancel } = useJob<Answer>();
  useEffect(() => {
    const stop = new AbortController();
    get<{ scenarios: Scenario[] }>("/v1/scenarios", stop.signal).then((a) => setKnown(a.scenarios), () => undefined);
    return () => stop.abort();
  }, []);
  const [one, other] = [state.wa || "actual", state.wb || known[0]?.name || ""];
  const says = (s: Scenario) => s.says[lang] ?? s.says.en ?? s.name;
  const ask = () => void run("/v1/whatif", { request: quote?.request ?? request, scenarios: [other], against: one === "actual" ? [] : [one] });
  const choices = [{ name: "actual", says: { en: "The world as it is", "zh-Hant": "現實世界" } }, ...known];
  return (
    <section className="whatif">
      <h2>{t("What if")}</h2>
      <p>{t("The same question in two worlds.")}</p>
      <div className="axes">
        <label>{t("World A")} <select value={one} onChange={(e) => go({ wa: e.target.value })}>{choices.map((s) => <option key={s.name} value={s.name}>{says(s)}</option>)}</select></label>
        <label>{t("World B")} <select value={other} onChange={(e) => go({ wb: e.target.value })}>{choices.map((s) => <option key={s.name} value={s.name}>{says(s)}</option>)}</select></label>
        <button type="button" className="primary" disabled={busy || !other} onClick={ask}>{t("Compare worlds")}</button>
      </div>
      {busy ? <Working progress={progress} what={t("Weighing both worlds …")} cancel={cancel} /> : null}
      {error ? <ErrorNote error={error} retry={ask} /> : null}
      {found && !busy ? <Explained answer="whatif" id={found.id}><Sides found={found.answer} /></Explained> : null}
      <Market state={state} one={one} other={other} />
    </section>
  );
}

function Sides({ found }: { found: Answer }) {
  const { t } = useWords();
  const fig = (at: string, name: string, value: number | null | undefined, kind: Kind) => (value == null ? "–" : <Fig at={at} name={name} value={value} kind={kind} />);
  const mark = (v: Verdict) => (v.licence ? <Law verdict={v.licence} standing={v.standing === "barred" ? "policy_of_denial" : null} /> : <span className="soft">{t(WITHOUT[v.standing] ?? "none")}</span>);
  const chip = (r: Row) => <>{r.chip_name} ({r.vendor})<br /><span className="cite">{r.system}</span></>;
  const moved = (list: "gained" | "lost", caption: string, here: "A" | "B") => found[list].length ? (
    <Table caption={caption} rows={found[list]} id={(r) => r.make + r.system} columns={[
      { key: "chip", head: t("Chip"), cell: chip, sort: (r) => r.chip_name },
      ...FIGURES.map(([k, name, kind]) => ({ key: k, head: t(name), num: true, cell: (r: Moved) => fig(`/${list}/${found[list].indexOf(r)}/figures/${k}`, `${r.chip_name}, ${t(name)}`, r.figures[k], kind), sort: (r: Moved) => r.figures[k] })),
      { key: "here", head: t("In {side}", { side: here }), cell: (r) => mark(r.law) },
      { key: "there", head: t("In {side}", { side: here === "A" ? "B" : "A" }), cell: (r) => mark(r.law_elsewhere) },
      { key: "why", head: t("rules"), cell: (r) => <span className="cite">{[...new Set([...r.law.citations, ...r.law_elsewhere.citations])].slice(0, 4).join(" · ")}</span> }]} />
  ) : null;
  return (
    <div role="status">
      <dl className="figures">
        {Object.entries(found.winner).flatMap(([make, w]) => w ? (["a", "b"] as const).map((side) => {
          const [name, kind] = CRITERIA[w.criterion] ?? [w.criterion, "plain"];
          const best = w[side];
          return <div key={make + side}><dt>{t(side === "a" ? "Best in A" : "Best in B")} · {best ? `${best.chip_name} · ` : ""}{t(name)}</dt>
            <dd>{best ? <Fig at={`/winner/${make}/${side}/value`} name={`${best.chip_name}, ${t(name)}, ${side.toUpperCase()}`} value={best.value} kind={kind} /> : t("none")}</dd></div>;
        }) : [])}
      </dl>
      {moved("gained", t("Offered in B only"), "B")}
      {moved("lost", t("Offered in A only"), "A")}
      {found.changed.length ? (
        <Table caption={t("Offered in both, and different")} rows={found.changed} id={(r) => r.make + r.system} columns={[
          { key: "chip", head: t("Chip"), cell: chip, sort: (r) => r.chip_name },
          ...FIGURES.map(([k, name, kind]) => ({ key: k, head: t(name), num: true, cell: (r: Pair) => <Pair at={`/changed/${found.changed.indexOf(r)}/figures/${k}`} name={`${r.chip_name}, ${t(name)}`} a={r.figures[k]?.a} b={r.figures[k]?.b} kind={kind} /> })),
          { key: "law", head: t("Law"), cell: (r) => (JSON.stringify([r.law.a.licence, r.law.a.standing]) === JSON.stringify([r.law.b.licence, r.law.b.standing]) ? mark(r.law.b) : <>{mark(r.law.a)} → {mark(r.law.b)}</>) }]} />
      ) : null}
      {!found.gained.length && !found.lost.length && !found.changed.length ? <p>{t("Both worlds give the same answer.")}</p> : null}
    </div>
  );
}
