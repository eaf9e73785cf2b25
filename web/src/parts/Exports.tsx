import { useState } from "react";
import { download, save } from "../api";
import { cell } from "../format";
import { useWords } from "../i18n";
import { number, present } from "../measures";
import { command } from "../request";
import type { Quote, RequestFile } from "../types";
import { ErrorNote, useSay } from "./Basics";

/** Everything that can be taken away. */
export default function Exports({ quote, request }: { quote: Quote; request: RequestFile }) {
  const { t } = useWords();
  const say = useSay();
  const [error, setError] = useState<unknown>(null);
  const bring = (name: string) => download(`/v1/quotes/${quote.id}/files/${name}`, `${quote.id}-${name}`).then(() => setError(null), setError);
  const copy = async (text: string) => {
    try {
      await navigator.clipboard.writeText(text);
      say(t("Copied"));
    } catch {
      save(new Blob([`${text}\n`], { type: "text/plain" }), `${quote.id}.sh`);
    }
  };
  const csv = () => {
    const measures = present(quote.designs);
    const rows = [["id", "make", "chip", "system", "law", ...measures.map((m) => m.key)], ...quote.designs.map((d) => [d.id, d.make, d.chip, d.system, d.law.verdict, ...measures.map((m) => number(m, d))])];
    save(new Blob([rows.map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }), `${quote.id}-designs.csv`);
  };
  const made = quote.designs.length > 0;
  return (
    <details className="menu">
      <summary>{t("Take away")}</summary>
      <div className="list">
        <button type="button" onClick={() => void bring("all.zip")}>{t("Everything (zip)")}</button>
        <button type="button" onClick={() => void bring("quote.json")}>{t("Quote (JSON)")}</button>
        {made ? <button type="button" onClick={csv}>{t("Designs (CSV)")}</button> : null}
        {made ? <button type="button" onClick={() => void bring("bom.xlsx")}>{t("Bill of materials (xlsx)")}</button> : null}
        <button type="button" onClick={() => void bring("report.html")}>{t("Report (HTML)")}</button>
        <button type="button" onClick={() => void bring("report.pdf")}>{t("Report (PDF)")}</button>
        <button type="button" onClick={() => window.print()}>{t("Print")}</button>
        <button type="button" onClick={() => void copy(command(request))}>{t("Copy the command line")}</button>
        <button type="button" onClick={() => void copy(location.href)}>{t("Copy the link")}</button>
      </div>
      {error ? <ErrorNote error={error} /> : null}
    </details>
  );
}
