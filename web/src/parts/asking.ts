// One question on its way, as a job: its answer with the id it is kept under, how far it is, what went wrong.
import { useEffect, useRef, useState } from "react";
import { job, type Kept, type Progress } from "../api";
import type { Json } from "../types";

export function useJob<T>() {
  const [found, setFound] = useState<Kept<T> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const run = async (path: string, body: unknown) => {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    setBusy(true);
    setError(null);
    setProgress(null);
    try {
      setFound(await job<T>(path, body as Json, setProgress, stop.signal));
    } catch (e) {
      if (!stop.signal.aborted) setError(e);
    } finally {
      if (running.current === stop) setBusy(false);
    }
  };
  return { found, error, progress, busy, run, cancel: () => running.current?.abort() };
}
