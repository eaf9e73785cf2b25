// ECharts, only what the page draws with; loaded when the first chart is shown. Tooltips are drawn on the canvas, so that
// no markup is made from data and the server's policy needs no exception.
import { useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import type { EChartsCoreOption } from "echarts/core";

type Engine = typeof import("./engine");
export interface ChartProps {
  label: string; option: (colours: (name: string) => string) => EChartsCoreOption; height?: number;
  click?: (data: unknown) => void; brushed?: (indices: number[][]) => void; describe?: string;
}
export default function Chart({ label, option, height = 380, click, brushed, describe }: ChartProps) {
  const { t } = useWords();
  const box = useRef<HTMLDivElement>(null);
  const handlers = useRef({ click, brushed });
  handlers.current = { click, brushed };
  const chart = useRef<ReturnType<Engine["init"]> | null>(null);
  const [engine, setEngine] = useState<Engine | null>(null);
  const [failed, setFailed] = useState(false);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    let alive = true;
    import("./engine").then((m) => alive && setEngine(m), () => alive && setFailed(true));
    const changed = () => setTheme((n) => n + 1);
    const watch = new MutationObserver(changed);
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", changed);
    return () => {
      alive = false;
      watch.disconnect();
      dark.removeEventListener("change", changed);
    };
  }, []);
  useEffect(() => {
    if (!engine || !box.current) return;
    const made = engine.init(box.current, undefined, { renderer: "canvas" });
    chart.current = made;
    made.on("click", (e) => handlers.current.click?.(e.data));
    made.on("brushselected", (e) => {
      const batch = (e as { batch?: { selected: { dataIndex: number[] }[] }[] }).batch;
      handlers.current.brushed?.(batch?.[0]?.selected.map((s) => s.dataIndex) ?? []);
    });
    const resize = new ResizeObserver(() => made.resize());
    resize.observe(box.current);
    return () => {
      resize.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, [engine]);
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    chart.current?.setOption(option((name) => style.getPropertyValue(`--${name}`).trim()), { notMerge: true });
  }, [engine, option, theme]);
  return (
    <figure className="chart">
      <div ref={box} className="canvas" role="img" aria-label={label} style={{ height }} data-ready={engine ? "yes" : "no"} />
      {failed ? <p role="alert">{t("The chart could not be loaded; its table is below.")}</p> : null}
      <figcaption>{describe ?? t("The same data stand in the table below.")}</figcaption>
    </figure>
  );
}
