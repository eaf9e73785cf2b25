import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { post } from "../api";
import { figure, digits, type Kind } from "../format";
import { useWords } from "../i18n";
import { go } from "../state";
import type { Estimate, Explanation } from "../types";
import { ErrorNote, Modal } from "./Basics";

const Open = createContext<(pointer: string, name: string, kind: Kind) => void>(() => undefined);

type Answer = "quote" | "whatif" | "market";
/** Every figure inside can be asked why it is what it is. answer, id: the kept answer that the figures are of. */
export function Explained({ answer = "quote", id, children }: { answer?: Answer; id: string; children: ReactNode }) {
  const { t } = useWords();
  const [asked, setAsked] = useState<{ pointer: string; name: string; kind: Kind } | null>(null);
  return (
    <Open.Provider value={(pointer, name, kind) => setAsked({ pointer, name, kind })}>
      {children}
      <Modal title={asked ? t("Explain: {name}", { name: asked.name }) : ""} open={asked !== null} close={() => setAsked(null)}>
        {asked ? <Why key={asked.pointer} answer={answer} id={id} {...asked} /> : null}
      </Modal>
    </Open.Provider>
  );
}

function Why({ answer, id, pointer, kind }: { answer: Answer; id: string; pointer: string; kind: Kind }) {
  const { t } = useWords();
  const [found, setFound] = useState<Explanation | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    post<Explanation>("/v1/explain", { [answer]: id, figure: pointer }, stop.signal).then(setFound, (e) => !stop.signal.aborted && setError(e));
    return () => stop.abort();
  }, [answer, id, pointer, round]);
  if (error) return <ErrorNote error={error} retry={() => setRound(round + 1)} />;
  if (!found) return <p role="status">{t("Looking it up …")}</p>;
  const both = found.value && typeof found.value === "object" ? (found.value as { a?: unknown; b?: unknown }) : null; // a change
  const value = typeof found.value === "number" ? figure(found.value, kind, t)
    : typeof both?.a === "number" && typeof both.b === "number" ? `${figure(both.a, kind, t)} → ${figure(both.b, kind, t)}` : String(found.value);
  return (
    <div className="why">
      <p className="big num">{value}</p>
      <p>{found.meaning}</p>
      <dl>
        <dt>{t("Kind")}</dt><dd>{t(found.kind)}{found.unit ? ` · ${found.unit}` : ""}</dd>
        <dt>{t("Formula")}</dt><dd><code className="formula">{found.formula}</code></dd>
        <dt>{t("80 % of such runs fall within")}</dt>
        <dd>{found.low == null || found.high == null ? t("no interval has been earned yet") : `${figure(found.low, kind, t)} – ${figure(found.high, kind, t)}`}</dd>
      </dl>
      {found.inputs.length ? (
        <div className="tablebox" role="region" aria-label={t("Inputs")} tabIndex={0}>
          <table>
            <caption>{t("Inputs")}</caption>
            <thead><tr><th scope="col">{t("what")}</th><th scope="col" className="num">{t("value")}</th><th scope="col">{t("source")}</th></tr></thead>
            <tbody>
              {found.inputs.map((i) => (
                <tr key={i.pointer}>
                  <th scope="row">{i.name.replace(/^.*\//, "").replaceAll("_", " ")}</th>
                  <td className="num">{typeof i.value === "number" ? digits(i.value, 4) : String(i.value)} {i.unit}</td>
                  <td>{i.assumed ? t("assumed") : ""} {i.source ?? ""} {i.date ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {found.sources.length ? <><h3>{t("Sources")}</h3><ul className="sources">{found.sources.map((s) => <li key={s}>{s}</li>)}</ul></> : null}
      <button type="button" onClick={() => go({}, "ask")}>{t("Change the question")}</button>
    </div>
  );
}

/** A figure with its error bar; pressing it opens why. */
export function Fig({ at, name, value, kind, low, high, said }: {
  at: string; name: string; value?: number | Estimate | null; kind: Kind; low?: number | null; high?: number | null; said?: string;
}) {
  const { t } = useWords();
  const open = useContext(Open);
  const estimate = typeof value === "object" && value ? value : null;
  const plain = estimate ? estimate.value : (value as number | null | undefined);
  const [a, b] = [estimate?.low ?? low, estimate?.high ?? high];
  return (
    <button type="button" className="fig" onClick={() => open(at, name, kind)}>
      <span className="sr">{name}: </span>
      <span className="num">{said ?? figure(plain, kind, t)}</span>
      {a != null && b != null ? <small className="num">{figure(a, kind, t)} – {figure(b, kind, t)}</small> : null}
      <span className="sr"> {t("Explain")}</span>
    </button>
  );
}

/** A figure in two worlds: unchanged once, else both with an arrow between. at: of the figure, the worlds below it. */
export function Pair({ at, name, a, b, kind }: { at: string; name: string; a: number | null | undefined; b: number | null | undefined; kind: Kind }) {
  const one = (side: "a" | "b", value: number | null | undefined) => (value == null ? <span>–</span> : <Fig at={`${at}/${side}`} name={`${name}, ${side.toUpperCase()}`} value={value} kind={kind} />);
  if (a === b && b != null) return <span className="pair">{one("b", b)}</span>;
  return <span className="pair">{one("a", a)} <span aria-hidden="true">→</span> {one("b", b)}</span>;
}
