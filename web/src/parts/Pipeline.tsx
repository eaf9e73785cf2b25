import { useWords } from "../i18n";

// One forward, one backward (Narayanan et al. 2021, figure 4): the order of the work, not its times.
type Task = { stage: number; batch: number; back: boolean; start: number };
function schedule(stages: number, batches: number): { tasks: Task[]; end: number } {
  const free = Array<number>(stages).fill(0);
  const done = new Map<string, number>();
  const queues = Array.from({ length: stages }, (_, s) => {
    const warm = Math.min(stages - 1 - s, batches);
    const list: [number, boolean][] = [];
    for (let b = 0; b < warm; b += 1) list.push([b, false]);
    for (let b = 0; b < batches - warm; b += 1) list.push([warm + b, false], [b, true]);
    for (let b = batches - warm; b < batches; b += 1) list.push([b, true]);
    return list;
  });
  const tasks: Task[] = [];
  for (let left = stages * batches * 2; left > 0; ) {
    let moved = false;
    for (let s = 0; s < stages; s += 1) {
      const next = queues[s][0];
      if (!next) continue;
      const [batch, back] = next;
      const before = back ? (s === stages - 1 ? `f${s}.${batch}` : `b${s + 1}.${batch}`) : s === 0 ? "" : `f${s - 1}.${batch}`;
      const ready = before ? done.get(before) : 0;
      if (ready === undefined) continue;
      const start = Math.max(free[s], ready);
      free[s] = start + (back ? 2 : 1);
      done.set(`${back ? "b" : "f"}${s}.${batch}`, free[s]);
      tasks.push({ stage: s, batch, back, start });
      queues[s].shift();
      left -= 1;
      moved = true;
    }
    if (!moved) break;
  }
  return { tasks, end: Math.max(...free) };
}

export default function Pipeline({ stages, batches }: { stages: number; batches: number }) {
  const { t } = useWords();
  const [rows, n] = [Math.min(stages, 8), Math.min(batches, 12)];
  const { tasks, end } = schedule(rows, n);
  const [width, height] = [720, 26];
  const unit = width / end;
  const label = t("{stages} stages, {batches} micro-batches a step; forward and backward passes in order", { stages, batches });
  return (
    <figure className="pipeline">
      <div className="scroll" role="group" tabIndex={0} aria-label={label}>
        <svg viewBox={`0 0 ${width + 70} ${rows * height + 4}`} role="img" aria-label={label}>
          {Array.from({ length: rows }, (_, s) => <text key={s} x="0" y={s * height + 17}>{t("stage {n}", { n: s + 1 })}</text>)}
          {tasks.map((k) => (
            <g key={`${k.stage}.${k.batch}.${k.back}`} className={k.back ? "back" : "forth"}>
              <rect x={66 + k.start * unit} y={k.stage * height + 2} width={Math.max((k.back ? 2 : 1) * unit - 1, 1)} height={height - 4} rx="2" />
              {unit > 12 ? <text x={66 + (k.start + (k.back ? 1 : 0.5)) * unit} y={k.stage * height + 17} textAnchor="middle">{k.batch + 1}</text> : null}
            </g>
          ))}
        </svg>
      </div>
      <figcaption>{label}{rows < stages || n < batches ? ` · ${t("drawn: the first {rows} stages and {n} micro-batches", { rows, n })}` : ""} · {t("order of work, a backward pass drawn twice as long as a forward one")}</figcaption>
    </figure>
  );
}
