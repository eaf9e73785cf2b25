import { useWords } from "../i18n";
import type { Citation, Line } from "../types";
import { Law } from "./Basics";

const rule = (c: string | (Citation & { since?: string | null; until?: string | null })): string => {
  if (typeof c === "string") return c;
  const [from, to] = [c.from ?? c.since, c.to ?? c.until];
  return `${c.rule}${from || to ? ` (${from ?? "…"} – ${to ?? "…"})` : ""}`;
};

/** One line a regime: what it says, why, under which rule. */
export default function LawLines({ lines, assumed }: { lines: Line[]; assumed?: { field: string; value: string }[] }) {
  const { t, say } = useWords();
  return (
    <>
      <ul className="regimes">
        {lines.map((l) => (
          <li key={l.regime}>
            <p><b>{say(l.regime)}</b> <Law verdict={l.licence} standing={l.review_policy} />{l.review_policy ? ` · ${t(l.review_policy.replaceAll("_", " "))}` : ""}{l.exception ? ` · ${l.exception}` : ""}{l.eccn ? ` · ${l.eccn}` : ""}</p>
            <ul>{l.reasons.map((r, i) => <li key={i}>{say(r)}</li>)}{(l.conditions ?? []).map((r, i) => <li key={`c${i}`}>{t("on condition")}: {say(r)}</li>)}</ul>
            {l.citations.length ? <p className="cite">{l.citations.map(rule).join(" · ")}</p> : null}
          </li>
        ))}
      </ul>
      {assumed?.length ? <p className="soft">{t("Taken for granted")}: {assumed.map((a) => `${t(a.field)} = ${t(a.value)}`).join("; ")}</p> : null}
    </>
  );
}
