import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { get, job, Problem, token, type Progress } from "./api";
import { sayer, translator, Words, type Lang } from "./i18n";
import { ErrorNote, Say, Working } from "./parts/Basics";
import { PRESETS } from "./request";
import Ask from "./screens/Ask";
import Compare from "./screens/Compare";
import Design from "./screens/Design";
import Law from "./screens/Law";
import Truth from "./screens/Truth";
import { address, go, SCREENS, useAddress, type Screen } from "./state";
import type { Json, Quote, RequestFile } from "./types";

const NAMES: Record<Screen, string> = { ask: "Ask", compare: "Compare", design: "Design", law: "Law", truth: "Truth" };
const THEMES = ["auto", "light", "dark", "contrast"] as const;
const kept = new Map<string, Quote>(); // quotes of this visit by id: an answer never changes under its id

export default function App() {
  const { screen, state } = useAddress();
  const lang: Lang = (state.lang || localStorage.getItem("lang") || (navigator.language.startsWith("zh") ? "zh-Hant" : "en")) === "zh-Hant" ? "zh-Hant" : "en";
  const theme = state.theme || localStorage.getItem("theme") || "auto";
  const t = useMemo(() => translator(lang), [lang]);
  document.documentElement.lang = lang;
  document.documentElement.dataset.theme = theme;
  document.title = `${t(NAMES[screen])} · Tokenworks`;
  const [messages, setMessages] = useState<Record<string, string>>({});
  useEffect(() => {
    if (lang === "en" || Object.keys(messages).length) return;
    get<{ messages: Record<string, string> }>("/v1/messages/zh-Hant").then((a) => setMessages(a.messages), () => undefined);
  }, [lang, messages, screen]);
  const words = useMemo(() => ({ lang, t, say: sayer(lang === "en" ? {} : messages) }), [lang, t, messages]);

  const request = useMemo<RequestFile>(() => {
    try {
      return state.r ? (JSON.parse(state.r) as RequestFile) : PRESETS[0].request;
    } catch {
      return PRESETS[0].request;
    }
  }, [state.r]);
  const [quote, setQuote] = useState<Quote | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const [said, say] = useState("");

  const run = useCallback(async (asked: RequestFile, open: boolean) => {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    setBusy(true);
    setError(null);
    setProgress(null);
    try {
      const { answer: found } = await job<Quote>("/v1/quote", asked as unknown as Json, setProgress, stop.signal);
      kept.set(found.id, found);
      setQuote(found);
      say(t("The quote is here: {n} designs.", { n: found.designs.length }));
      go({ r: JSON.stringify(asked), id: found.id, d: "", pins: "", brush: "" }, open ? "compare" : undefined);
    } catch (e) {
      if (stop.signal.aborted) say(t("Cancelled"));
      else setError(e);
    } finally {
      if (running.current === stop) {
        running.current = null;
        setBusy(false);
      }
    }
  }, [t]);
  // a link or a refresh: bring the quote that the address names; where the server has lost it, ask again
  useEffect(() => {
    if (!state.id || quote?.id === state.id) return;
    const known = kept.get(state.id);
    if (known) {
      setQuote(known);
      return;
    }
    const stop = new AbortController();
    get<Quote>(`/v1/quotes/${encodeURIComponent(state.id)}`, stop.signal).then(
      (found) => { kept.set(found.id, found); setQuote(found); setError(null); },
      (e) => {
        if (stop.signal.aborted) return;
        if (e instanceof Problem && e.status === 404 && state.r) void run(request, false);
        else setError(e);
      },
    );
    return () => stop.abort();
  }, [state.id]); // eslint-disable-line
  useEffect(() => {
    const undo = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key === "z" && !(e.target instanceof HTMLInputElement)) {
        e.preventDefault();
        history.back();
      }
    };
    addEventListener("keydown", undo);
    return () => removeEventListener("keydown", undo);
  }, []);

  const shown = state.id && quote?.id === state.id ? quote : null;
  const needsToken = error instanceof Problem && error.status === 401;
  const loading = Boolean(state.id) && !shown && !error && !busy;
  const choose = (key: "lang" | "theme", value: string) => {
    localStorage.setItem(key, value);
    go({ [key]: value });
  };
  return (
    <Words.Provider value={words}>
      <Say.Provider value={say}>
        <a className="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>{t("To the content")}</a>
        <header className="top">
          <a className="brand" href={address("ask", state)} aria-label={t("Tokenworks, start")}><img src="/mark.svg" alt="" width="28" height="28" /><span>Tokenworks</span></a>
          <nav aria-label={t("Screens")}>
            {SCREENS.map((s) => <a key={s} href={address(s, state)} aria-current={s === screen ? "page" : undefined}>{t(NAMES[s])}</a>)}
          </nav>
          <div className="tools">
            <button type="button" className="quiet" onClick={() => history.back()} title="Ctrl+Z">{t("Undo")}</button>
            <select aria-label={t("Appearance")} value={theme} onChange={(e) => choose("theme", e.target.value)}>
              {THEMES.map((x) => <option key={x} value={x}>{t({ auto: "Like the system", light: "Light", dark: "Dark", contrast: "High contrast" }[x])}</option>)}
            </select>
            <button type="button" className="quiet" lang={lang === "en" ? "zh-Hant" : "en"} onClick={() => choose("lang", lang === "en" ? "zh-Hant" : "en")}>{lang === "en" ? "中文" : "EN"}</button>
          </div>
        </header>
        <main id="main" tabIndex={-1}>
          {busy ? <Working progress={progress} cancel={() => running.current?.abort()} what={t("Weighing designs …")} /> : null}
          {needsToken ? <Token done={() => { setError(null); location.reload(); }} /> : error ? <ErrorNote error={error} retry={() => void run(request, screen === "ask")} /> : null}
          {loading ? <p role="status" className="loading">{t("Bringing the quote …")}</p> : null}
          {screen === "ask" ? <Ask request={request} ask={(r) => void run(r, true)} /> : null}
          {screen === "compare" ? <Compare quote={shown} state={state} request={request} /> : null}
          {screen === "design" ? <Design quote={shown} state={state} /> : null}
          {screen === "law" ? <Law quote={shown} state={state} request={request} /> : null}
          {screen === "truth" ? <Truth state={state} /> : null}
        </main>
        <footer>
          <p>{t("Not legal advice. Predictions carry the error that they have earned; see Truth.")}</p>
          {shown ? <p className="num">{shown.id} · {t("catalog")} {shown.world.catalog} · {shown.version}</p> : null}
        </footer>
        <div className="sr" role="status" aria-live="polite">{said}</div>
      </Say.Provider>
    </Words.Provider>
  );
}

function Token({ done }: { done: () => void }) {
  const [value, set] = useState("");
  const t = translator(document.documentElement.lang === "zh-Hant" ? "zh-Hant" : "en");
  return (
    <form className="note" onSubmit={(e) => { e.preventDefault(); token.set(value); done(); }}>
      <label>{t("This server asks for a token")} <input type="password" autoComplete="off" value={value} onChange={(e) => set(e.target.value)} /></label>
      <button type="submit">{t("Use it")}</button>
    </form>
  );
}
