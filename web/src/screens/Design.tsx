import { useWords } from "../i18n";
import { digits, figure, money, seconds, si, whole } from "../format";
import { measureName } from "../names";
import { MEASURES, number } from "../measures";
import { Bars, Empty, Law, Table } from "../parts/Basics";
import Exports from "../parts/Exports";
import { Explained, Fig } from "../parts/Explain";
import LawLines from "../parts/LawLines";
import Network from "../parts/Network";
import Pipeline from "../parts/Pipeline";
import { address, go, type State } from "../state";
import type { Design as D, Quote } from "../types";

const CAPITAL = ["servers_usd", "network_usd", "storage_usd", "building_usd"];
const DEGREES: [string, string][] = [["replicas", "replicas"], ["tp", "tensor parallel"], ["pp", "pipeline parallel"], ["cp", "context parallel"], ["dp", "data parallel"]];

export default function Design({ quote, state }: { quote: Quote | null; state: State }) {
  const { t, say } = useWords();
  if (!quote) return <Empty title={t("No design yet")}><p>{t("Ask a question first; each design of its answer is taken apart here.")}</p><p><a className="button" href={address("ask", state)}>{t("Ask")}</a></p></Empty>;
  const best = Object.values(quote.best).find(Boolean);
  const index = Math.max(0, quote.designs.findIndex((d) => d.id === (state.d || best)));
  const d = quote.designs[index];
  if (!d) return <Empty title={t("No design to show")}><p>{t("Nothing was feasible; Compare says what binds and what would change it.")}</p><p><a className="button" href={address("compare", state)}>{t("Compare")}</a></p></Empty>;
  const base = `/designs/${index}`;
  const p = d.parallelism;
  const factors = DEGREES.map(([k, name]): [string, string, number] => [k, name, Number(k === "replicas" ? d.replicas : (p[k] ?? 1))]).filter(([, , n]) => n > 1);
  const bar = (pointer: string) => d.intervals?.[pointer] ?? { low: null, high: null };
  const parts = (of: Record<string, number | null> | undefined): [string, number][] => Object.entries(of ?? {}).filter((e): e is [string, number] => typeof e[1] === "number" && e[1] > 0);
  const memory = parts(d.memory).filter(([k]) => !["total", "usable"].includes(k));
  const costs = parts((d.cost as unknown as { parts?: Record<string, number> }).parts);
  const racks = (d as unknown as { racks?: unknown }).racks;
  return (
    <Explained id={quote.id}>
      <div className="head">
        <label className="pick">{t("Design")} <select value={d.id} onChange={(e) => go({ d: e.target.value })}>
          {quote.designs.map((x, i) => <option key={x.id} value={x.id}>{`${i + 1}. ${x.chips} × ${x.chip_name} · ${t(x.make)} · ${money(x.cost.total_usd)}`}</option>)}
        </select></label>
        <Exports quote={quote} request={quote.request} />
      </div>
      <h1>{whole(d.chips)} × {d.chip_name}</h1>
      <p className="lead">{t("{model} on {units} × {system}, {precision}, {framework}", { model: d.model, units: whole(d.units), system: d.system_name, precision: d.precision, framework: d.framework })} · <Law verdict={d.law.verdict} standing={d.law.standing === "barred" ? "policy_of_denial" : null} /></p>
      <p className="product" aria-label={t("How the chips are split")}>
        <span><b className="num">{whole(d.chips)}</b><small>{t("chips")}</small></span><i aria-hidden="true">=</i>
        {factors.length ? factors.map(([k, name, n], i) => <span key={k} className="factor">{i ? <i aria-hidden="true">×</i> : null}<span><b className="num">{whole(n)}</b><small>{t(name)}</small></span></span>) : <span><b className="num">1</b><small>{t("chip alone")}</small></span>}
        {Number(p.ep) > 1 ? <em>{t("experts over {n} chips", { n: Number(p.ep) })}</em> : null}
      </p>
      <dl className="figures">
        {MEASURES.filter((m) => number(m, d) != null).map((m) => {
          const known = bar(m.pointer);
          return <div key={m.key}><dt>{t(measureName(m))}</dt><dd><Fig at={base + m.pointer} name={t(measureName(m))} value={m.at(d)} kind={m.kind} low={known.low} high={known.high} /></dd></div>;
        })}
      </dl>
      {d.bars ? <p className="soft">{t("Error bars: {n} published runs of the class “{name}”.", { n: d.bars.runs, name: say(d.bars.class) })}</p> : null}
      {d.warnings.length ? <ul className="warnings">{d.warnings.map((w, i) => <li key={i}>{say(w)}</li>)}</ul> : null}
      <div className="columns">
        {d.time_parts ? <section><h2>{t("Where the time goes")}</h2><Bars title={t("One step, by part")} parts={parts(d.time_parts)} show={(x) => seconds(x, t)} name={(k) => t(k)} />{d.bound ? <p>{t("Bound by {what}.", { what: t(d.bound) })}</p> : null}</section> : null}
        <section><h2>{t("Memory")}</h2><Bars title={t("Per chip, of {n} usable", { n: si(d.memory.usable, "B") })} parts={memory} whole={d.memory.usable} show={(x) => si(x, "B")} name={(k) => t(k)} /></section>
      </div>
      {d.make === "train" && Number(p.pp ?? 1) > 1 ? <section><h2>{t("The pipeline")}</h2><Pipeline stages={Number(p.pp ?? 1)} batches={Number(p.grad_accum ?? 1)} /></section> : null}
      <section><h2>{t("Network")}</h2><Network design={d} /></section>
      <div className="columns">
        <section><h2>{t("Cost")}</h2>
          <Bars title={t("Capital: {sum}", { sum: money(d.cost.capital_usd) })} parts={costs.filter(([k]) => CAPITAL.includes(k))} show={money} name={(k) => t(k)} />
          <Bars title={t("Cost of this job: {sum}", { sum: money(d.cost.total_usd) })} parts={costs.filter(([k]) => !CAPITAL.includes(k))} show={money} name={(k) => t(k)} /></section>
        <section><h2>{t("Racks and power")}</h2><Racks d={d} racks={racks} /></section>
      </div>
      <section>
        <Table caption={t("Bill of materials")} rows={d.bill} id={(_, i) => String(i)} columns={[
          { key: "item", head: t("item"), cell: (b) => say(b.item), sort: (b) => b.item },
          { key: "n", head: t("quantity"), num: true, cell: (b) => whole(b.quantity), sort: (b) => b.quantity },
          { key: "price", head: t("unit price"), num: true, cell: (b) => (b.unit_price_usd == null ? t("unknown") : money(b.unit_price_usd)), sort: (b) => b.unit_price_usd },
          { key: "assumed", head: t("basis"), cell: (b) => (b.assumed ? t("assumed") : t("published")) },
          { key: "source", head: t("source"), cell: (b) => <span className="cite">{b.source}</span> }]} />
      </section>
      <section><h2>{t("Law")}</h2><LawLines lines={d.law.lines} assumed={d.law.assumed} />
        <p><a className="button" href={address("law", { ...state, chip: d.chip })}>{t("How it changes over time")}</a></p></section>
    </Explained>
  );
}

function Racks({ d, racks }: { d: D; racks: unknown }) {
  const { t } = useWords();
  const more = racks && typeof racks === "object" ? Object.entries(racks as Record<string, unknown>).filter(([, v]) => typeof v === "number") : typeof racks === "number" ? [["racks", racks]] : [];
  const rows: [string, string][] = [[t("facility, peak"), si(d.power_w, "W")], [t("computers and network"), si((d as unknown as { it_power_w?: number }).it_power_w, "W")], [t("network"), si(d.fabric.power_w, "W")], [t("nodes"), whole(d.nodes)],
    ...more.map(([k, v]): [string, string] => [t(String(k).replaceAll("_", " ")), digits(Number(v))]), [t("energy"), figure(d.energy_j, "joules", t)], [t("carbon"), figure(d.carbon_kg, "kilograms", t)]];
  return <table className="plain"><caption>{t("Power and place")}</caption><tbody>{rows.map(([k, v]) => <tr key={k}><th scope="row">{k}</th><td className="num">{v}</td></tr>)}</tbody></table>;
}
