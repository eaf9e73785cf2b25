import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import type { EChartsCoreOption } from "echarts/core";
import { digits, figure, money, tick, whole } from "../format";
import { useWords } from "../i18n";
import { measureName } from "../names";
import { number, present } from "../measures";
import { Empty, Law, lawKind, LAW_WORDS, Table, type Column, type LawKind } from "../parts/Basics";
import Exports from "../parts/Exports";
import { Explained, Fig } from "../parts/Explain";
import WhyNot from "../parts/WhyNot";
import { address, go, type State } from "../state";
import type { Chances, Design, Quote, RequestFile } from "../types";

const Chart = lazy(() => import("../parts/Chart"));
const SHAPES: Record<LawKind, string> = { none: "circle", exception: "diamond", required: "triangle", barred: "rect", unknown: "emptyCircle" };

export default function Compare({ quote, state, request }: { quote: Quote | null; state: State; request: RequestFile }) {
  const { t, say } = useWords();
  const [brush, setBrush] = useState<Set<string> | null>(null);
  const jobs = useMemo(() => (quote ? [...new Set(quote.designs.map((d) => d.make))] : []), [quote]);
  const make = jobs.includes(state.job) ? state.job : (jobs[0] ?? "");
  const designs = useMemo(() => quote?.designs.filter((d) => d.make === make) ?? [], [quote, make]);
  const measures = useMemo(() => present(designs), [designs]);
  const x = measures.find((m) => m.key === state.x) ?? measures[0];
  const y = measures.find((m) => m.key === state.y) ?? measures.find((m) => ["time_s", "ttft_s", "period_s"].includes(m.key)) ?? measures[1];
  const pins = useMemo(() => (state.pins ? state.pins.split(",") : []), [state.pins]);
  const groups = useMemo(() => {
    const found = new Map<LawKind, Design[]>();
    for (const d of designs) {
      const kind = lawKind(d.law.verdict, d.law.standing === "barred" ? "policy_of_denial" : null);
      found.set(kind, [...(found.get(kind) ?? []), d]);
    }
    return [...found];
  }, [designs]);
  const [ux, uy] = useMemo(() => [x, y].map((m) => (m ? tick(m.kind, Math.max(...designs.map((d) => number(m, d) ?? 0))) : 1)), [x, y, designs]);
  const option = useCallback((colour: (name: string) => string): EChartsCoreOption => ({
    animation: false, textStyle: { fontFamily: "inherit", color: colour("ink") },
    grid: { left: 16, right: 24, top: 64, bottom: 40, containLabel: true },
    legend: { top: 4, left: 4, textStyle: { color: colour("ink") }, itemWidth: 14 },
    tooltip: { renderMode: "richText", confine: true, backgroundColor: colour("panel"), borderColor: colour("line"), textStyle: { color: colour("ink") },
      formatter: (p: { data: { name: string; value: number[] } }) => `${p.data.name}\n${figure(p.data.value[0] * ux, x.kind, t)} · ${figure(p.data.value[1] * uy, y.kind, t)}` },
    toolbox: { right: 8, feature: { brush: { title: { rect: t("Mark"), clear: t("Clear") } } }, iconStyle: { borderColor: colour("ink") } },
    brush: { toolbox: ["rect", "clear"], xAxisIndex: 0, throttleType: "debounce", throttleDelay: 200 },
    xAxis: axis(t(measureName(x)), x.kind, ux, colour, t), yAxis: { ...axis(t(measureName(y)), y.kind, uy, colour, t), nameLocation: "end", nameGap: 12, nameTextStyle: { color: colour("soft"), align: "left" } },
    series: groups.map(([kind, rows]) => ({
      name: t(LAW_WORDS[kind]), type: "scatter", symbol: SHAPES[kind], symbolSize: 12, large: rows.length > 2000, itemStyle: { color: colour(`law-${kind}`), opacity: 0.9 },
      data: rows.map((d) => ({ id: d.id, name: `${d.system_name} · ${d.chips}`, value: [scaled(number(x, d), ux), scaled(number(y, d), uy)] })),
    })),
  }), [groups, x, y, ux, uy, t]);
  if (!quote) return <Empty title={t("Nothing to compare yet")}><p>{t("Ask a question first: the designs that answer it are compared here.")}</p><p><a className="button" href={address("ask", state)}>{t("Ask")}</a></p></Empty>;
  const rows = brush?.size ? designs.filter((d) => brush.has(d.id)) : designs;
  const pin = (d: Design) => go({ pins: (pins.includes(d.id) ? pins.filter((p) => p !== d.id) : [...pins, d.id].slice(-4)).join(",") });
  const index = new Map(quote.designs.map((d, i) => [d.id, i]));
  const columns: Column<Design>[] = [
    { key: "system", head: t("System"), sort: (d) => d.system_name, cell: (d) => <><a href={address("design", { ...state, d: d.id })}>{whole(d.chips)} × {d.chip_name}</a><br /><span className="cite">{d.system_name}</span></> },
    { key: "pin", head: t("Pin"), cell: (d) => <input type="checkbox" aria-label={t("Pin {name}", { name: `${d.system_name}, ${d.chips}` })} checked={pins.includes(d.id)} onChange={() => pin(d)} /> },
    { key: "law", head: t("Law"), sort: (d) => lawKind(d.law.verdict), cell: (d) => <Law verdict={d.law.verdict} standing={d.law.standing === "barred" ? "policy_of_denial" : null} /> },
    ...measures.map((m): Column<Design> => ({ key: m.key, head: t(measureName(m)), num: true, sort: (d) => number(m, d), cell: (d) => figure(number(m, d), m.kind, t) })),
    { key: "share", head: t("Best in"), num: true, sort: (d) => d.best_share ?? 0, cell: (d) => share(d.best_share) },
  ];
  const best = quote.designs.find((d) => d.id === quote.best[make]);
  const pinned = pins.map((p) => quote.designs.find((d) => d.id === p)).filter((d): d is Design => d !== undefined);
  return (
    <Explained id={quote.id}>
      <div className="head"><h1>{t("Compare")}</h1><Exports quote={quote} request={request} /></div>
      {jobs.length > 1 ? <p className="tabs">{jobs.map((j) => <button key={j} type="button" aria-pressed={j === make} onClick={() => go({ job: j })}>{t(j)}</button>)}</p> : null}
      {quote.infeasible ? (
        <div className="note" role="status"><strong>{t("Nothing feasible for {make}.", { make: t(quote.infeasible.make) })}</strong>
          <p>{say(quote.infeasible.binding)}</p>{quote.infeasible.nearest ? <p>{say(quote.infeasible.nearest)}</p> : null}
          <p><a className="button" href={address("ask", state)}>{t("Change the question")}</a></p></div>
      ) : null}
      {best ? (
        <section className="best" aria-label={t("Best")}>
          <p className="eyebrow">{t("Best by {what}", { what: t({ cost: "low cost", time: "little time", energy: "little energy", carbon: "little carbon" }[request.prefer ?? "cost"] ?? "low cost") })}</p>
          <h2><a href={address("design", { ...state, d: best.id })}>{best.chips} × {best.chip_name}</a></h2>
          <p>{best.system_name} · {best.vendor} · <Law verdict={best.law.verdict} standing={best.law.standing === "barred" ? "policy_of_denial" : null} /></p>
          <dl className="figures">
            {measures.filter((m) => number(m, best) != null).slice(0, 6).map((m) => {
              const bar = best.intervals?.[m.pointer];
              return <div key={m.key}><dt>{t(measureName(m))}</dt><dd><Fig at={`/designs/${index.get(best.id)}${m.pointer}`} name={t(measureName(m))} value={m.at(best)} kind={m.kind} low={bar?.low} high={bar?.high} /></dd></div>;
            })}
          </dl>
          <Sure of={quote.uncertainty[make]} />
        </section>
      ) : null}
      {designs.length && x && y ? (
        <section aria-label={t("Pareto plot")}>
          <div className="axes">
            <label>{t("Across")} <select value={x.key} onChange={(e) => go({ x: e.target.value })}>{measures.map((m) => <option key={m.key} value={m.key}>{t(measureName(m))}</option>)}</select></label>
            <label>{t("Upwards")} <select value={y.key} onChange={(e) => go({ y: e.target.value })}>{measures.map((m) => <option key={m.key} value={m.key}>{t(measureName(m))}</option>)}</select></label>
            {brush?.size ? <button type="button" onClick={() => setBrush(null)}>{t("{n} marked: show all", { n: brush.size })}</button> : null}
          </div>
          <Suspense fallback={<p role="status">{t("Drawing …")}</p>}>
            <Chart label={t("{n} designs: {x} against {y}", { n: designs.length, x: t(measureName(x)), y: t(measureName(y)) })} option={option}
              click={(data) => { const id = (data as { id?: string }).id; if (id) go({ d: id }, "design"); }}
              brushed={(found) => { const ids = found.flatMap((list, k) => list.map((i) => groups[k]?.[1][i]?.id)).filter((i): i is string => Boolean(i)); setBrush(ids.length ? new Set(ids) : null); }} />
          </Suspense>
          <Table caption={t("Designs")} columns={columns} rows={rows} id={(d) => d.id} rowClass={(d) => (d.id === best?.id ? "first" : "")} />
        </section>
      ) : null}
      {pinned.length ? (
        <section><Table caption={t("Pinned, side by side")} rows={measures} id={(m) => m.key} columns={[
          { key: "what", head: t("what"), cell: (m) => t(measureName(m)) },
          ...pinned.map((d): Column<(typeof measures)[number]> => ({ key: d.id, head: `${d.chips} × ${d.chip_name}`, num: true, cell: (m) => figure(number(m, d), m.kind, t) })),
        ]} /></section>
      ) : null}
      <WhyNot quote={quote} make={make} state={state} />
      <Aside quote={quote} make={make} />
      <details className="more"><summary>{t("How the search went")}</summary>
        <p>{t("{spanned} designs spanned, {scored} worked out in full.", { spanned: quote.search.spanned.toLocaleString("en"), scored: quote.search.scored.toLocaleString("en") })}</p>
        <Table caption={t("Cut by a rule or a limit")} rows={Object.entries(quote.search.cut)} id={([k]) => k} columns={[
          { key: "why", head: t("why"), cell: ([k]) => say(k) }, { key: "n", head: t("designs"), num: true, sort: ([, n]) => n, cell: ([, n]) => n.toLocaleString("en") }]} />
      </details>
    </Explained>
  );
}

const share = (x: number | null | undefined) => (x == null ? "–" : `${digits(x * 100)} %`);

/** How often the answer stays the answer when every uncertain figure is drawn anew. */
function Sure({ of }: { of: Chances | undefined }) {
  const { t } = useWords();
  if (!of?.draws) return null;
  const told = t("Best in {own} of {n} draws of prices and error bars, its chip in {chip}.", { own: share(of.best_share), n: of.draws.toLocaleString("en"), chip: share(of.best_chip_share) });
  return <p>{told} {of.total_usd ? t("The best design costs {low} to {high} in four of five.", { low: money(of.total_usd.p10), high: money(of.total_usd.p90) }) : null}</p>;
}

/** What is not offered: barred by law, or with a fact, a price or a verdict missing. */
function Aside({ quote, make }: { quote: Quote; make: string }) {
  const { t, say } = useWords();
  const [barred, apart] = [quote.barred.filter((b) => b.make === make), quote.apart.filter((a) => a.make === make)];
  return (
    <>
      {barred.length ? <details className="more"><summary>{t("{n} barred by law", { n: barred.length })}</summary>
        <Table caption={t("Barred by law")} rows={barred} id={(b, i) => b.chip + i} columns={[
          { key: "chip", head: t("Chip"), cell: (b) => `${b.chip_name} (${b.vendor})`, sort: (b) => b.chip_name },
          { key: "law", head: t("Law"), cell: (b) => <Law verdict={b.licence} standing={b.review_policy} /> },
          { key: "why", head: t("why"), cell: (b) => b.reasons.map((r) => say(r)).join(" ") },
          { key: "rules", head: t("rules"), cell: (b) => <span className="cite">{b.citations.join(" · ")}</span> }]} /></details> : null}
      {apart.length ? <details className="more"><summary>{t("{n} stand apart", { n: apart.length })}</summary>
        <Table caption={t("Apart: a fact, a price or a verdict is missing")} rows={apart} id={(a, i) => (a.id ?? a.chip) + i} columns={[
          { key: "chip", head: t("Chip"), cell: (a) => `${a.chip_name} (${a.vendor})`, sort: (a) => a.chip_name },
          { key: "missing", head: t("missing"), cell: (a) => (a.missing ?? []).map((m) => t(m.replaceAll("_", " "))).join(", ") },
          { key: "why", head: t("why"), cell: (a) => a.warnings.map((w) => say(w)).join(" ") }]} /></details> : null}
    </>
  );
}

const scaled = (value: number | null, unit: number) => (value == null ? null : value / unit);

function axis(name: string, kind: Parameters<typeof figure>[1], unit: number, colour: (n: string) => string, t: (s: string) => string): object {
  return { type: "value", scale: true, name, nameLocation: "middle", nameGap: 30, nameTextStyle: { color: colour("soft") }, axisLabel: { color: colour("soft"), hideOverlap: true, formatter: (v: number) => figure(v * unit, kind, t) },
    splitLine: { lineStyle: { color: colour("line") } }, axisLine: { lineStyle: { color: colour("line") } } };
}
