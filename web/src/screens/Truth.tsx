import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { EChartsCoreOption } from "echarts/core";
import { get, job, type Progress } from "../api";
import { digits, si } from "../format";
import { useWords } from "../i18n";
import { ErrorNote, Table, Working } from "../parts/Basics";
import { go, type State } from "../state";

const Chart = lazy(() => import("../parts/Chart"));
interface Score { n: number; groups: number; covered: number; median: number | null; p90: number | null; bias: number | null; inside: number | null }
interface Worst { id: string; predicted: number; measured: number; error: number; class: string; source: unknown }
interface Metric { all: Score; tables: Record<string, Record<string, Score>>; left_out: Record<string, Record<string, Score>>; worst: Worst[]; points: [number, number, string][] }
interface Study { runs: number; split: string; metrics: Record<string, Metric>; noise: Record<string, { median: number; p90: number }>; baseline: Record<string, Score> }
interface Headline { id: string; published: unknown; chips: number; tokens_per_s_per_chip: { value: number; low: number | null; high: number | null } | null; class: string | null }
interface Report { studies: Record<string, Study>; headlines: Headline[] }
let kept: Report | null = null; // of this visit

const percent = (x: number | null | undefined) => (x == null ? "–" : `${digits(x * 100)} %`);

export default function Truth({ state }: { state: State }) {
  const { t } = useWords();
  const [report, setReport] = useState<Report | null>(kept);
  const [error, setError] = useState<unknown>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [round, again] = useState(0);
  const running = useRef<AbortController | null>(null);
  useEffect(() => {
    if (kept) return;
    const stop = new AbortController();
    setError(null);
    get<Report>("/v1/validation", stop.signal).then((r) => { kept = r; setReport(r); }, (e) => !stop.signal.aborted && setError(e));
    return () => stop.abort();
  }, [round]);
  const anew = () => {
    const stop = new AbortController();
    running.current = stop;
    setError(null);
    setProgress({ state: "waiting", before: 0, seconds: 0, said: "" });
    job<Report>("/v1/validation", {}, setProgress, stop.signal)
      .then(({ answer }) => { kept = answer; setReport(answer); }, (e) => !stop.signal.aborted && setError(e))
      .finally(() => setProgress(null));
  };
  useEffect(() => () => running.current?.abort(), []);
  return (
    <>
      <h1>{t("Truth")}</h1>
      <p className="lead">{t("Predicted against measured: published runs, each predicted by constants fitted without it.")}</p>
      {error ? <ErrorNote error={error} retry={() => again(round + 1)} /> : null}
      {!report && !error ? <p role="status">{t("Reading the report …")}</p> : null}
      {progress ? <Working progress={progress} what={t("Predicting every published run …")} cancel={() => running.current?.abort()} /> : report ? <p><button type="button" onClick={anew}>{t("Work it out anew")}</button> <span className="soft">{t("takes minutes; what you see came with the fitted constants")}</span></p> : null}
      {report ? <Report report={report} state={state} /> : null}
    </>
  );
}

function Report({ report, state }: { report: Report; state: State }) {
  const { t, say } = useWords();
  const studies = Object.keys(report.studies);
  const name = studies.includes(state.study) ? state.study : studies[0];
  const study = report.studies[name];
  const metrics = Object.keys(study.metrics).filter((m) => study.metrics[m].points.length);
  const which = metrics.includes(state.metric) ? state.metric : metrics[0];
  const metric = study.metrics[which];
  const kinds = useMemo(() => [...new Set(metric.points.map((p) => p[2]))].sort(), [metric]);
  const shown = kinds.includes(state.kind) ? [state.kind] : kinds;
  const points = useMemo(() => metric.points.filter((p) => shown.includes(p[2])), [metric, shown]);
  const option = useCallback((colour: (n: string) => string): EChartsCoreOption => {
    const values = points.flatMap((p) => [p[0], p[1]]);
    const [low, high] = [Math.min(...values) * 0.8, Math.max(...values) * 1.25];
    const shapes = ["circle", "triangle", "diamond", "rect"];
    const axis = (label: string) => ({ type: "log", min: low, max: high, name: label, nameLocation: "middle", nameGap: 30, nameTextStyle: { color: colour("soft") }, axisLabel: { color: colour("soft"), hideOverlap: true, formatter: (v: number) => si(v, "") }, splitLine: { lineStyle: { color: colour("line") } } });
    return {
      animation: false, textStyle: { fontFamily: "inherit", color: colour("ink") }, grid: { left: 20, right: 24, top: 40, bottom: 40, containLabel: true },
      legend: { top: 4, textStyle: { color: colour("ink") } },
      tooltip: { renderMode: "richText", confine: true, backgroundColor: colour("panel"), borderColor: colour("line"), textStyle: { color: colour("ink") }, formatter: (p: { value: number[] }) => `${t("predicted")} ${si(p.value[0], "")} · ${t("measured")} ${si(p.value[1], "")}` },
      xAxis: axis(t("predicted")), yAxis: axis(t("measured")),
      series: shown.map((k, i) => ({ name: say(k), type: "scatter", symbol: shapes[i % 4], symbolSize: 8, itemStyle: { color: colour(["accent", "law-required", "law-barred", "soft"][i % 4]), opacity: 0.65 }, data: points.filter((p) => p[2] === k).map((p) => [p[0], p[1]]),
        markLine: i ? undefined : { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: colour("soft"), type: "dashed" }, data: [[{ coord: [low, low] }, { coord: [high, high] }]] } })),
    };
  }, [points, shown, t, say]);
  const rows = (of: Record<string, Score>) => Object.entries(of);
  const columns = [
    { key: "name", head: t("runs of"), cell: ([k]: [string, Score]) => say(k), sort: ([k]: [string, Score]) => k },
    { key: "n", head: t("runs"), num: true, cell: ([, s]: [string, Score]) => String(s.n), sort: ([, s]: [string, Score]) => s.n },
    { key: "median", head: t("median error"), num: true, cell: ([, s]: [string, Score]) => percent(s.median), sort: ([, s]: [string, Score]) => s.median },
    { key: "p90", head: t("90 % are below"), num: true, cell: ([, s]: [string, Score]) => percent(s.p90), sort: ([, s]: [string, Score]) => s.p90 },
    { key: "bias", head: t("bias"), num: true, cell: ([, s]: [string, Score]) => percent(s.bias), sort: ([, s]: [string, Score]) => s.bias },
    { key: "inside", head: t("inside the error bar"), num: true, cell: ([, s]: [string, Score]) => percent(s.inside), sort: ([, s]: [string, Score]) => s.inside },
  ];
  const sources = (x: unknown): string => (typeof x === "string" ? x : x && typeof x === "object" ? Object.values(x).filter((v) => typeof v === "string").join(" · ") : "");
  return (
    <>
      <div className="axes">
        <label>{t("Kind of run")} <select value={name} onChange={(e) => go({ study: e.target.value, metric: "", kind: "" })}>{studies.map((s) => <option key={s} value={s}>{t(s)}</option>)}</select></label>
        <label>{t("Figure")} <select value={which} onChange={(e) => go({ metric: e.target.value })}>{metrics.map((m) => <option key={m} value={m}>{t(m.replaceAll("_", " "))}</option>)}</select></label>
        <label>{t("Evidence")} <select value={shown.length === 1 && kinds.length > 1 ? shown[0] : ""} onChange={(e) => go({ kind: e.target.value })}><option value="">{t("all")}</option>{kinds.map((k) => <option key={k} value={k}>{say(k)}</option>)}</select></label>
      </div>
      <dl className="figures">
        <div><dt>{t("runs")}</dt><dd className="num">{metric.all.n}</dd></div>
        <div><dt>{t("median error")}</dt><dd className="num">{percent(metric.all.median)}</dd></div>
        <div><dt>{t("90 % are below")}</dt><dd className="num">{percent(metric.all.p90)}</dd></div>
        <div><dt>{t("inside the error bar")}</dt><dd className="num">{percent(metric.all.inside)}</dd></div>
        {study.noise[which] ? <div><dt>{t("noise of the measurements")}</dt><dd className="num">{percent(study.noise[which].median)}</dd></div> : null}
        {study.baseline[which] ? <div><dt>{t("a plain guess errs by")}</dt><dd className="num">{percent(study.baseline[which].median)}</dd></div> : null}
      </dl>
      <Suspense fallback={<p role="status">{t("Drawing …")}</p>}><Chart label={t("{n} runs: predicted against measured", { n: points.length })} option={option} height={420} describe={t("On the dashed line a prediction is right. The tables below are of the same runs.")} /></Suspense>
      {Object.entries(metric.tables).map(([k, of]) => <Table key={k} caption={t("Error by {what}", { what: t(k) })} columns={columns} rows={rows(of)} id={([x]) => x} start="n" />)}
      <Table caption={t("Worst cases")} rows={metric.worst} id={(w, i) => `${w.id}${i}`} columns={[
        { key: "id", head: t("run"), cell: (w) => w.id, sort: (w) => w.id },
        { key: "p", head: t("predicted"), num: true, cell: (w) => si(w.predicted, ""), sort: (w) => w.predicted },
        { key: "m", head: t("measured"), num: true, cell: (w) => si(w.measured, ""), sort: (w) => w.measured },
        { key: "e", head: t("error"), num: true, cell: (w) => percent(w.error), sort: (w) => w.error },
        { key: "c", head: t("class"), cell: (w) => say(w.class) },
        { key: "s", head: t("source"), cell: (w) => <span className="cite">{sources(w.source)}</span> }]} />
      <section>
        <h2>{t("What is not validated")}</h2>
        <p>{t("Runs on chips, generations and frameworks that the fit has not seen, left out whole:")}</p>
        {Object.entries(metric.left_out).map(([k, of]) => <Table key={k} caption={t("Left out: {what}", { what: t(k) })} columns={columns} rows={rows(of)} id={([x]) => x} />)}
        <p>{t("No published run stands behind cost, energy, carbon and whole-factory power: they follow from prices and facts that each figure names.")}</p>
      </section>
      <Table caption={t("Headline runs")} rows={report.headlines} id={(h) => h.id} columns={[
        { key: "id", head: t("run"), cell: (h) => h.id }, { key: "chips", head: t("Chips"), num: true, cell: (h) => String(h.chips), sort: (h) => h.chips },
        { key: "rate", head: t("tokens a second a chip"), num: true, cell: (h) => h.tokens_per_s_per_chip ? `${digits(h.tokens_per_s_per_chip.value)} (${digits(h.tokens_per_s_per_chip.low ?? NaN)} – ${digits(h.tokens_per_s_per_chip.high ?? NaN)})` : "–" },
        { key: "pub", head: t("published"), cell: (h) => <span className="cite">{sources(h.published)}</span> }]} />
    </>
  );
}
