import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { get } from "../api";
import { figure, type Kind } from "../format";
import { useWords } from "../i18n";
import { go, type State } from "../state";
import { useJob } from "./asking";
import { ErrorNote, Table, Working, type Column } from "./Basics";
import { Explained, Fig, Pair } from "./Explain";

const Chart = lazy(() => import("./Chart"));
interface Demand { name: string; says: Record<string, string>; source: string; assumed: boolean; buyers: number }
interface Change { a: number; b: number; low: number; high: number }
type Groups = Record<string, Record<string, Change>>;
interface Answer { vendors: Groups; countries: Groups; unmet: Groups; price_of_rule: Record<string, Change>; supply_unknown: string[]; demand: { name: string; name_zh?: string; copies: number }[]; draws: number }
type Row = [string, Record<string, Change>];

/** Many buyers in two worlds: who sells, who buys, who goes without. */
export default function Market({ state, one, other }: { state: State; one: string; other: string }) {
  const { t, lang } = useWords();
  const [known, setKnown] = useState<Demand[]>([]);
  const { found, error, progress, busy, run, cancel } = useJob<Answer>();
  useEffect(() => {
    const stop = new AbortController();
    get<{ demands: Demand[] }>("/v1/demands", stop.signal).then((a) => setKnown(a.demands), () => undefined);
    return () => stop.abort();
  }, []);
  const chosen = known.find((d) => d.name === state.dm) ?? known[known.length - 1];
  const ask = () => void run("/v1/market", { demand: chosen?.name, scenarios: [other], against: one === "actual" ? [] : [one] });
  return (
    <section className="market">
      <h3>{t("Who sells, who buys, who goes without")}</h3>
      <p>{t("Many buyers in the same two worlds.")}</p>
      <div className="axes">
        <label>{t("Demand")} <select value={chosen?.name ?? ""} onChange={(e) => go({ dm: e.target.value })}>{known.map((d) => <option key={d.name} value={d.name}>{d.says[lang] ?? d.says.en}</option>)}</select></label>
        <button type="button" className="primary" disabled={busy || !other || !chosen} onClick={ask}>{t("Weigh the market")}</button>
      </div>
      {chosen?.assumed ? <p className="warn">{t("This demand is illustrative: who moves is told, not how large the world is.")} <span className="cite">{chosen.source}</span></p> : null}
      {busy ? <Working progress={progress} what={t("Weighing every buyer …")} cancel={cancel} /> : null}
      {error ? <ErrorNote error={error} retry={ask} /> : null}
      {found && !busy ? <Explained answer="market" id={found.id}><Moves of={found.answer} /></Explained> : null}
    </section>
  );
}

function Moves({ of }: { of: Answer }) {
  const { t, lang } = useWords();
  const region = new Intl.DisplayNames([lang === "en" ? "en" : "zh-Hant-TW"], { type: "region" });
  const buyers = new Map(of.demand.map((d) => [d.name, lang === "en" ? d.name : d.name_zh || d.name]));
  const vendors = useMemo(() => Object.entries(of.vendors).filter(([, f]) => f.revenue_usd.a || f.revenue_usd.b).sort((x, y) => y[1].revenue_usd.a - x[1].revenue_usd.a), [of]);
  const option = useMemo(() => (colour: (n: string) => string) => ({
    grid: { left: 80, right: 20, top: 40, bottom: 30 }, legend: { top: 8, textStyle: { color: colour("ink") } }, tooltip: { renderMode: "richText", trigger: "axis", valueFormatter: (v: number) => figure(v, "money", t) },
    xAxis: { type: "value", axisLabel: { color: colour("soft"), hideOverlap: true, formatter: (v: number) => figure(v, "money", t) }, splitLine: { lineStyle: { color: colour("line") } } },
    yAxis: { type: "category", inverse: true, data: vendors.map(([name]) => name), axisLabel: { color: colour("ink") } },
    series: (["a", "b"] as const).map((side) => ({ type: "bar", name: t(side === "a" ? "World A" : "World B"), itemStyle: { color: colour(side === "a" ? "soft" : "accent") }, data: vendors.map(([, f]) => f.revenue_usd[side]) })),
  }), [vendors, t]);
  const columns = (group: string, head: string, name: (key: string) => string, kinds: [string, string, Kind][]): Column<Row>[] => [
    { key: "who", head, cell: ([key]) => name(key), sort: ([key]) => name(key) },
    ...kinds.flatMap(([what, said, kind]) => [
      ...(["a", "b"] as const).map((side): Column<Row> => ({
        key: what + side, head: `${t(said)}, ${side.toUpperCase()}`, num: true, sort: ([, f]) => f[what][side],
        cell: ([key, f]) => <Fig at={`/${group}/${escaped(key)}/${what}/${side}`} name={`${name(key)}, ${t(said)}, ${side.toUpperCase()}`} value={f[what][side]} kind={kind} /> })),
      { key: `${what}d`, head: t("change (80 %)"), num: true, sort: ([, f]: Row) => f[what].b - f[what].a, cell: ([key, f]: Row) => <Fig at={`/${group}/${escaped(key)}/${what}`} name={`${name(key)}, ${t(said)}, ${t("change (80 %)")}`} kind={kind} said={moved(f[what], kind, t)} /> },
    ])];
  const moving = (rows: Row[], what: string) => rows.filter(([, f]) => Math.abs(f[what].a) >= 0.5 || Math.abs(f[what].b) >= 0.5); // what would be shown as 0 is rounding
  const key = ([k]: Row) => k;
  return (
    <div role="status">
      <dl className="figures">
        <div><dt>{t("Revenue that changes hands")}</dt><dd><Fig at="/price_of_rule/revenue_moved_usd/b" name={t("Revenue that changes hands")} value={of.price_of_rule.revenue_moved_usd.b} kind="money" /></dd></div>
        {([["jobs", "Jobs done", "count"], ["spend_usd", "What all buyers spend", "money"]] as [string, string, Kind][]).map(([what, said, kind]) =>
          <div key={what}><dt>{t(said)}</dt><dd><Pair at={`/price_of_rule/${what}`} name={t(said)} {...of.price_of_rule[what]} kind={kind} /></dd></div>)}
      </dl>
      <Suspense fallback={<p role="status">{t("Drawing …")}</p>}><Chart label={t("Revenue of each vendor in both worlds")} option={option} height={Math.max(180, 60 + 56 * vendors.length)} /></Suspense>
      <Table caption={t("Who sells")} rows={vendors} id={key} columns={columns("vendors", t("Vendor"), (v) => v, [["revenue_usd", "Revenue", "money"], ["chips", "Chips", "count"]])} />
      <Table caption={t("Who buys")} rows={moving(Object.entries(of.countries), "spend_usd")} id={key} columns={columns("countries", t("Country"), (c) => region.of(c) ?? c, [["spend_usd", "Spend", "money"], ["chips", "Chips", "count"]])} />
      {moving(Object.entries(of.unmet), "jobs").length
        ? <Table caption={t("Who goes without")} rows={moving(Object.entries(of.unmet), "jobs")} id={key} columns={columns("unmet", t("Buyers"), (b) => buyers.get(b) ?? b, [["jobs", "Jobs undone", "count"]])} />
        : <p>{t("Nobody goes without.")}</p>}
    </div>
  );
}

const escaped = (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1"); // RFC 6901

/** A change with its interval over the draws. */
function moved(f: Change, kind: Kind, t: (s: string) => string): string {
  const signed = (x: number) => (figure(Math.abs(x), kind, t) === figure(0, kind, t) ? figure(0, kind, t) : `${x > 0 ? "+" : "−"}${figure(Math.abs(x), kind, t)}`);
  return f.a === f.b && f.low === f.high ? figure(0, kind, t) : `${signed(f.b - f.a)} (${signed(f.low)} – ${signed(f.high)})`;
}
