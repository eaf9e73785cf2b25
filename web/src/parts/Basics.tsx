import { createContext, useContext, useEffect, useId, useMemo, useRef, useState, type ReactNode } from "react";
import { Problem, type Progress } from "../api";
import { useWords } from "../i18n";

export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useWords();
  const known = error instanceof Problem ? error : null;
  const title = known?.title === "offline" ? t("The server cannot be reached") : (known?.title ?? t("Something went wrong"));
  const detail = known?.title === "offline" ? t("Is it running? Nothing you entered is lost: try again when it is back.") : (known?.detail ?? String(error));
  return (
    <div className="note bad" role="alert">
      <strong>{title}</strong>
      <p>{known?.field ? <code>{known.field}</code> : null} {detail}</p>
      {retry ? <button type="button" onClick={retry}>{t("Try again")}</button> : null}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return <section className="empty"><h2>{title}</h2>{children}</section>;
}

export function Working({ progress, cancel, what }: { progress: Progress | null; cancel: () => void; what: string }) {
  const { t } = useWords();
  const [now, setNow] = useState(0);
  useEffect(() => {
    const start = performance.now();
    const timer = setInterval(() => setNow((performance.now() - start) / 1000), 250);
    return () => clearInterval(timer);
  }, []);
  const waits = progress?.state === "waiting" && progress.before > 0;
  return (
    <div className="working" role="status">
      <progress aria-label={what} />
      <p>
        {what} <span className="num">{now.toFixed(0)} s</span>
        {waits ? <span> · {t("{n} before yours", { n: progress.before })}</span> : null}
        {progress?.said ? <span> · {progress.said}</span> : null}
      </p>
      <button type="button" onClick={cancel}>{t("Cancel")}</button>
    </div>
  );
}

export interface Column<R> { key: string; head: string; cell: (row: R) => ReactNode; sort?: (row: R) => number | string | null; num?: boolean }
const PAGE = 50;
/** A table that sorts by its heads and shows long data page by page. */
export function Table<R>({ caption, columns, rows, id, rowClass, start }: {
  caption: string; columns: Column<R>[]; rows: R[]; id: (row: R, i: number) => string; rowClass?: (row: R) => string; start?: string;
}) {
  const { t } = useWords();
  const [by, setBy] = useState<{ key: string; up: boolean } | null>(start ? { key: start, up: true } : null);
  const [page, setPage] = useState(0);
  const sorted = useMemo(() => {
    const column = columns.find((c) => c.key === by?.key);
    if (!column?.sort || !by) return rows;
    const value = column.sort;
    return [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x == null || y == null) return x == null ? (y == null ? 0 : 1) : -1; // unknown stays last
      const order = x < y ? -1 : x > y ? 1 : 0;
      return by.up ? order : -order;
    });
  }, [rows, by, columns]);
  const pages = Math.max(1, Math.ceil(sorted.length / PAGE));
  const at = Math.min(page, pages - 1);
  return (
    <div className="tablebox" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.key} scope="col" className={c.num ? "num" : ""} aria-sort={by?.key === c.key ? (by.up ? "ascending" : "descending") : c.sort ? "none" : undefined}>
                {c.sort ? (
                  <button type="button" className="sort" onClick={() => setBy({ key: c.key, up: by?.key === c.key ? !by.up : true })}>
                    {c.head}<span aria-hidden="true">{by?.key === c.key ? (by.up ? " ▲" : " ▼") : " ↕"}</span>
                  </button>
                ) : c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(at * PAGE, (at + 1) * PAGE).map((row, i) => (
            <tr key={id(row, at * PAGE + i)} className={rowClass?.(row)}>
              {columns.map((c, j) => j === 0
                ? <th key={c.key} scope="row">{c.cell(row)}</th>
                : <td key={c.key} className={c.num ? "num" : ""}>{c.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {pages > 1 ? (
        <nav className="pages" aria-label={t("Pages of {what}", { what: caption })}>
          <button type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>{t("Previous")}</button>
          <span>{t("{n} of {m}", { n: at + 1, m: pages })}</span>
          <button type="button" disabled={at === pages - 1} onClick={() => setPage(at + 1)}>{t("Next")}</button>
        </nav>
      ) : null}
    </div>
  );
}

/** Parts of a whole as bars, with the same data as a table behind them for everybody. */
export function Bars({ title, parts, show, name, whole }: {
  title: string; parts: [string, number][]; show: (x: number) => string; name: (key: string) => string; whole?: number;
}) {
  const most = Math.max(...parts.map(([, v]) => v), whole ?? 0, 1e-300);
  return (
    <table className="bars">
      <caption>{title}</caption>
      <tbody>
        {parts.map(([key, value]) => (
          <tr key={key}>
            <th scope="row">{name(key)}</th>
            <td className="bar" aria-hidden="true"><svg viewBox="0 0 100 10" preserveAspectRatio="none"><rect width={Math.max((value / most) * 100, value > 0 ? 0.4 : 0)} height="10" /></svg></td>
            <td className="num">{show(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const MARKS: Record<string, string> = { none: "●", exception: "◆", conditional: "▲", required: "▲", barred: "✕", unresolved: "?", unknown: "?" };
export function Law({ verdict, standing }: { verdict: string; standing?: string | null }) {
  const { t } = useWords();
  const kind = lawKind(verdict, standing);
  return <span className={`law ${kind}`}><span aria-hidden="true">{MARKS[kind === "barred" ? "barred" : verdict] ?? "?"}</span> {t(LAW_WORDS[kind])}</span>;
}
export type LawKind = "none" | "exception" | "required" | "barred" | "unknown";
export const LAW_WORDS: Record<LawKind, string> = {
  none: "no licence", exception: "exception", required: "licence", barred: "barred", unknown: "unknown",
};
export function lawKind(verdict: string, policy?: string | null): LawKind {
  if (verdict === "barred" || policy === "presumption_of_denial" || policy === "policy_of_denial") return "barred";
  if (verdict === "none" || verdict === "exception") return verdict;
  return verdict === "required" || verdict === "conditional" ? "required" : "unknown";
}

export function Modal({ title, open, close, children }: { title: string; open: boolean; close: () => void; children: ReactNode }) {
  const { t } = useWords();
  const ref = useRef<HTMLDialogElement>(null);
  const head = useId();
  useEffect(() => {
    const box = ref.current;
    if (open && box && !box.open) box.showModal();
    if (!open && box?.open) box.close();
  }, [open]);
  return (
    <dialog ref={ref} aria-labelledby={head} onClose={close} onClick={(e) => e.target === ref.current && close()}>
      <div className="sheet">
        <header><h2 id={head}>{title}</h2><button type="button" className="quiet" onClick={close}>{t("Close")}</button></header>
        {children}
      </div>
    </dialog>
  );
}

/** Says short things to assistive technology and shows them for a moment. */
export const Say = createContext<(text: string) => void>(() => undefined);
export const useSay = () => useContext(Say);
