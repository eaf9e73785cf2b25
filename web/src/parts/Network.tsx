import { useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { si, whole, money } from "../format";
import { useWords } from "../i18n";
import type { Design } from "../types";

const TIERS = ["core", "spine", "global", "leaf", "router", "node"];
const SHOWN = 8;

/** The network as a drawing: pan by dragging or arrow keys, zoom by wheel or + and -, choose a tier of cables. */
export default function Network({ design }: { design: Design }) {
  const { t } = useWords();
  const net = design.fabric;
  const tiers: [string, number][] = [...TIERS.filter((k) => k in net.switches).map((k): [string, number] => [k, net.switches[k]]), ["node", design.nodes]];
  const links = Object.entries(net.cables);
  const [chosen, choose] = useState<string | null>(null);
  const [view, setView] = useState({ x: 0, y: 0, zoom: 1 });
  const drag = useRef<{ x: number; y: number } | null>(null);
  const [width, row] = [820, 120];
  const height = tiers.length * row - 30;
  const place = (count: number) => {
    const n = Math.min(count, SHOWN);
    return Array.from({ length: n }, (_, i) => 120 + ((i + 0.5) * (width - 140)) / n);
  };
  const move = (dx: number, dy: number, by = 1) => setView((v) => ({ x: v.x + dx, y: v.y + dy, zoom: Math.min(6, Math.max(0.6, v.zoom * by)) }));
  const keys = (e: KeyboardEvent) => {
    const step: Record<string, [number, number, number]> = { ArrowLeft: [40, 0, 1], ArrowRight: [-40, 0, 1], ArrowUp: [0, 40, 1], ArrowDown: [0, -40, 1], "+": [0, 0, 1.25], "-": [0, 0, 0.8] };
    if (!step[e.key]) return;
    e.preventDefault();
    move(...step[e.key]);
  };
  const pointer = (e: PointerEvent) => {
    if (e.type === "pointerdown") drag.current = { x: e.clientX, y: e.clientY };
    else if (e.type === "pointermove" && drag.current) {
      move(e.clientX - drag.current.x, e.clientY - drag.current.y);
      drag.current = { x: e.clientX, y: e.clientY };
    } else drag.current = null;
  };
  const between = (upper: string, lower: string) => links.find(([k]) => k === `${lower}-${upper}` || k === `${upper}-${lower}`)?.[0] ?? null;
  if (!links.length && tiers.length === 1) return <figure className="network"><p>{t("All chips stand in one scale-up domain: no cables and no switches beyond its own.")} {t("Bisection {rate} one way.", { rate: si(net.bisection, "B/s") })}</p></figure>;
  const label = t("{topology}: {tiers}", { topology: net.topology, tiers: tiers.map(([k, n]) => `${whole(n)} ${t(k)}`).join(", ") });
  return (
    <figure className="network">
      <div className="zoom">
        <button type="button" onClick={() => move(0, 0, 1.25)} aria-label={t("Zoom in")}>+</button>
        <button type="button" onClick={() => move(0, 0, 0.8)} aria-label={t("Zoom out")}>−</button>
        <button type="button" onClick={() => setView({ x: 0, y: 0, zoom: 1 })}>{t("Fit")}</button>
      </div>
      <div className="canvasbox" tabIndex={0} role="group" aria-label={t("Network drawing: arrow keys move it, plus and minus zoom")} onKeyDown={keys}
        onPointerDown={pointer} onPointerMove={pointer} onPointerUp={pointer} onPointerLeave={pointer}>
        <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
          <g transform={`translate(${view.x} ${view.y}) scale(${view.zoom})`}>
            {tiers.slice(1).map(([lower, n], i) => {
              const [upper, m] = tiers[i];
              const key = between(upper, lower);
              const [above, below] = [place(m), place(n)];
              return (
                <g key={lower} className={`links ${key === chosen ? "on" : ""}`} onClick={() => choose(key)}>
                  {above.flatMap((x) => below.map((z) => <line key={`${x}.${z}`} x1={x} y1={i * row + 48} x2={z} y2={(i + 1) * row + 12} />))}
                </g>
              );
            })}
            {tiers.map(([k, n], i) => (
              <g key={k} className="tier">
                <text x="4" y={i * row + 28}>{whole(n)}</text><text className="soft" x="4" y={i * row + 44}>{t(k)}</text>
                {place(n).map((x) => <rect key={x} x={x - 26} y={i * row + 12} width="52" height="36" rx="6" />)}
                {n > SHOWN ? <text x={width - 16} y={i * row + 35}>…</text> : null}
              </g>
            ))}
          </g>
        </svg>
      </div>
      <figcaption>{label}. {t("Bisection {rate} one way.", { rate: si(net.bisection, "B/s") })}</figcaption>
      <div className="tablebox" role="region" aria-label={t("Cables")} tabIndex={0}>
        <table>
          <caption>{t("Cables")}</caption>
          <thead><tr><th scope="col">{t("between")}</th><th scope="col" className="num">{t("cables")}</th><th scope="col" className="num">{t("each, one way")}</th><th scope="col">{t("switch")}</th><th scope="col">{t("optics")}</th></tr></thead>
          <tbody>
            {links.map(([k, n]) => (
              <tr key={k} className={k === chosen ? "first" : ""}>
                <th scope="row"><button type="button" className="quiet" aria-pressed={k === chosen} onClick={() => choose(k === chosen ? null : k)}>{k.split("-").map((x) => t(x)).join(" – ")}</button></th>
                <td className="num">{whole(n)}</td><td className="num">{si(net.port_bandwidth * 8, "b/s")}</td><td>{String(net.switch ?? "–")}</td><td>{String(net.optic ?? "–")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="soft">{t("{optics} transceivers; the network costs {cost} and draws {power}.", { optics: whole(net.optics), cost: money(net.cost_usd), power: si(net.power_w, "W") })}</p>
    </figure>
  );
}
