import { useEffect, useMemo, useState } from "react";
import { get } from "../api";
import { useWords } from "../i18n";
import { ErrorNote, Law as Mark, lawKind, Table } from "../parts/Basics";
import LawLines from "../parts/LawLines";
import WhatIf from "../parts/WhatIf";
import { go, type State } from "../state";
import type { Quote, RequestFile, Verdict } from "../types";

interface Timeline { chip: string; to: string; verdicts: Verdict[] }
interface Cell { chip: string; to: string; licence: string; eccn: string | null; exception: string | null; review_policy: string | null }
const DAY = 86_400_000;
const FIRST = Date.UTC(2022, 7, 26);
const LAST = Date.UTC(2026, 11, 31);
const iso = (ms: number) => new Date(ms).toISOString().slice(0, 10);
const KINDS: Record<string, string> = { commercial: "commercial", government: "government", military: "military", entity_list: "on the Entity List", affiliate_of_listed: "affiliate of a listed party" };
const MOST = 24; // chips whose timelines are drawn
const DEFAULT = ["nvidia-h20", "nvidia-h100-sxm", "huawei-ascend-910c", "amd-mi300x"];

export default function Law({ quote, state, request }: { quote: Quote | null; state: State; request: RequestFile }) {
  const { t, lang } = useWords();
  const place = (state.to || request.where || "CN").toUpperCase();
  const [hq, kind] = [state.hq ?? request.buyer?.headquarters ?? "", state.kb ?? request.buyer?.kind ?? ""];
  const chips = useMemo(() => {
    const own = [...(state.chip ? [state.chip] : []), ...(quote ? [...quote.designs, ...quote.barred].map((d) => d.chip) : DEFAULT)];
    return [...new Set(own)].slice(0, MOST);
  }, [state.chip, quote]);
  const asked = request.when?.length === 7 ? `${request.when}-01` : request.when;
  const date = state.date || (/^\d{4}-\d\d-\d\d$/.test(asked ?? "") ? asked : "2025-05-02");
  const [lines, setLines] = useState<Timeline[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, again] = useState(0);
  const [places, setPlaces] = useState<string[]>([]);
  const [all, setAll] = useState<{ id: string; name: string }[]>([]);
  const key = chips.join();
  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    Promise.all(key.split(",").map((c) => get<Timeline>(`/v1/law/timeline?chip=${encodeURIComponent(c)}&to=${encodeURIComponent(place)}${hq ? `&buyer_hq=${hq}` : ""}${kind ? `&buyer_kind=${kind}` : ""}`, stop.signal)))
      .then(setLines, (e) => !stop.signal.aborted && setError(e));
    return () => stop.abort();
  }, [key, place, hq, kind, lang, round]);
  useEffect(() => {
    const stop = new AbortController();
    get<{ entries: { id: string }[] }>("/v1/catalog/sites", stop.signal).then((a) => setPlaces(a.entries.map((e) => e.id)), () => undefined);
    get<{ entries: { id: string; name: string }[] }>("/v1/catalog/chips", stop.signal).then((a) => setAll(a.entries), () => undefined);
    return () => stop.abort();
  }, []);
  const region = new Intl.DisplayNames([lang === "en" ? "en" : "zh-Hant-TW"], { type: "region" });
  const name = (id: string) => all.find((c) => c.id === id)?.name ?? id;
  const at = (l: Timeline) => l.verdicts.reduce((found, v) => ((v.from ?? "") <= date ? v : found), l.verdicts[0]);
  const chosen = lines?.find((l) => l.chip === state.chip) ?? lines?.[0];
  const changes = useMemo(() => [...new Set(lines?.flatMap((l) => l.verdicts.map((v) => v.from ?? "")) ?? [])].filter((x) => x >= iso(FIRST)).sort(), [lines]);
  const step = (by: 1 | -1) => {
    const next = by > 0 ? changes.find((c) => c > date) : changes.filter((c) => c < date).pop();
    if (next) go({ date: next });
  };
  return (
    <>
      <h1>{t("Law and what-if")}</h1>
      <p className="lead">{t("Export rules since October 2022, as they stood on any day. Move the day and see each verdict change, with the rule that changed it.")}</p>
      <div className="axes">
        <label>{t("Shipped to")} <select value={place} onChange={(e) => go({ to: e.target.value })}>{[...new Set([place, ...places])].map((p) => [p, region.of(p) ?? p]).sort((a, b) => a[1].localeCompare(b[1], lang)).map(([p, n]) => <option key={p} value={p}>{n}</option>)}</select></label>
        <label>{t("Chip")} <select value={chosen?.chip ?? ""} onChange={(e) => go({ chip: e.target.value })}>{(all.length ? all : chips.map((c) => ({ id: c, name: c }))).map((c) => <option key={c.id} value={c.id}>{c.name}</option>)}</select></label>
        <label>{t("Headquarters")} <select value={hq} onChange={(e) => go({ hq: e.target.value })}><option value="">{t("not said: the country of the site")}</option>{[...new Set([...(hq ? [hq] : []), ...places])].map((p) => [p, region.of(p) ?? p]).sort((a, b) => a[1].localeCompare(b[1], lang)).map(([p, n]) => <option key={p} value={p}>{n}</option>)}</select></label>
        <label>{t("Kind of buyer")} <select value={kind} onChange={(e) => go({ kb: e.target.value })}><option value="">{t("not said: commercial")}</option>{Object.entries(KINDS).map(([k, n]) => <option key={k} value={k}>{t(n)}</option>)}</select></label>
      </div>
      <div className="when">
        <button type="button" onClick={() => step(-1)} aria-label={t("Earlier change")}>◀</button>
        <label className="slider">{t("Day")}: <output className="num">{date}</output>
          <input type="range" min={FIRST / DAY} max={LAST / DAY} step={1} value={Math.round(Date.parse(date) / DAY)} aria-valuetext={date} onChange={(e) => go({ date: iso(Number(e.target.value) * DAY) })} /></label>
        <button type="button" onClick={() => step(1)} aria-label={t("Later change")}>▶</button>
      </div>
      {error ? <ErrorNote error={error} retry={() => again(round + 1)} /> : null}
      {!lines && !error ? <p role="status">{t("Reading the rules …")}</p> : null}
      {lines ? (
        <>
          <div className="lanes" aria-hidden="true">
            {lines.map((l) => (
              <div key={l.chip} className="lane"><span>{name(l.chip)}</span>
                <svg viewBox="0 0 1000 18" preserveAspectRatio="none">
                  {l.verdicts.map((v, i) => {
                    const from = Math.max(Date.parse(v.from ?? iso(FIRST)), FIRST);
                    const to = Math.min(i + 1 < l.verdicts.length ? Date.parse(l.verdicts[i + 1].from ?? "") : LAST, LAST);
                    const x = ((from - FIRST) / (LAST - FIRST)) * 1000;
                    return to > from ? <rect key={i} className={lawKind(v.licence, v.review_policy)} x={x} width={((to - from) / (LAST - FIRST)) * 1000} height="18" /> : null;
                  })}
                  <line x1={((Date.parse(date) - FIRST) / (LAST - FIRST)) * 1000} x2={((Date.parse(date) - FIRST) / (LAST - FIRST)) * 1000} y1="0" y2="18" />
                </svg></div>
            ))}
          </div>
          <Table caption={t("Verdicts on {date} for {place}", { date, place: region.of(place) ?? place })} rows={lines} id={(l) => l.chip} columns={[
            { key: "chip", head: t("Chip"), cell: (l) => <button type="button" className="quiet" aria-pressed={l.chip === chosen?.chip} onClick={() => go({ chip: l.chip })}>{name(l.chip)}</button>, sort: (l) => name(l.chip) },
            { key: "law", head: t("Law"), cell: (l) => <Mark verdict={at(l).licence} standing={at(l).review_policy} />, sort: (l) => lawKind(at(l).licence, at(l).review_policy) },
            { key: "eccn", head: "ECCN", cell: (l) => at(l).eccn ?? "–" },
            { key: "policy", head: t("review policy"), cell: (l) => t((at(l).review_policy ?? "–").replaceAll("_", " ")) },
            { key: "since", head: t("since"), cell: (l) => at(l).from ?? "", sort: (l) => at(l).from ?? "" }]} />
          {chosen ? <section><h2>{t("{chip} on {date}", { chip: name(chosen.chip), date })}</h2>{at(chosen).stale ? <p className="warn">{t("After the last rules that we know: confirm the law.")}</p> : null}<LawLines lines={at(chosen).lines} /></section> : null}
          <Difference chips={chips} place={place} state={state} date={date} name={name} />
          <WhatIf request={request} state={state} quote={quote} />
        </>
      ) : null}
    </>
  );
}

function Difference({ chips, place, state, date, name }: { chips: string[]; place: string; state: State; date: string; name: (id: string) => string }) {
  const { t } = useWords();
  const [a, b] = [state.a || "2024-12-01", state.b || date];
  const [rows, setRows] = useState<{ a: Cell; b: Cell }[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const key = chips.join();
  const good = [a, b].every((x) => /^\d{4}-\d\d-\d\d$/.test(x) && !Number.isNaN(Date.parse(x)));
  useEffect(() => {
    if (!good) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      get<{ changed: { a: Cell; b: Cell }[] }>(`/v1/law/diff?a=${a}&b=${b}&chips=${encodeURIComponent(key)}&to=${place}`, stop.signal)
        .then((x) => { setRows(x.changed); setError(null); }, (e) => !stop.signal.aborted && setError(e));
    }, 400);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [a, b, key, place, good]);
  const said = (c: Cell) => <><Mark verdict={c.licence} standing={c.review_policy} /> {c.exception ?? ""} {c.eccn ?? ""}</>;
  return (
    <section>
      <h2>{t("What changed between two days")}</h2>
      <div className="axes">
        <label>{t("Before")} <input type="date" value={a} onChange={(e) => go({ a: e.target.value })} /></label>
        <label>{t("After")} <input type="date" value={b} onChange={(e) => go({ b: e.target.value })} /></label>
      </div>
      {error ? <ErrorNote error={error} /> : rows === null ? <p role="status">{t("Reading the rules …")}</p> : rows.length === 0 ? <p>{t("Nothing changed for these chips.")}</p> : (
        <Table caption={t("Changed")} rows={rows} id={(r) => r.a.chip + r.a.to} columns={[
          { key: "chip", head: t("Chip"), cell: (r) => name(r.a.chip), sort: (r) => name(r.a.chip) },
          { key: "a", head: a, cell: (r) => said(r.a) }, { key: "b", head: b, cell: (r) => said(r.b) }]} />
      )}
    </section>
  );
}
