// The public HTTP API, as anybody may use it. Errors are problem details (RFC 9457).
import type { Json } from "./types";

export class Problem extends Error {
  constructor(readonly title: string, readonly detail: string, readonly status: number, readonly field = "") {
    super(`${title}: ${detail}`);
  }
}
/** An answer, and the id under which the server keeps it (empty where it does not). */
export interface Kept<T> { answer: T; id: string }
export interface Progress { state: string; before: number; seconds: number; said: string }

export const token = {
  get: () => sessionStorage.getItem("token") ?? "",
  set: (value: string) => sessionStorage.setItem("token", value),
};

function headers(more: Record<string, string> = {}): Record<string, string> {
  const known = token.get();
  return known ? { ...more, Authorization: `Bearer ${known}` } : more;
}

async function answered(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: headers(init.headers as Record<string, string>) });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem("offline", "", 0);
  }
  if (response.ok) return response;
  let body: Record<string, unknown> = {};
  try {
    body = await response.json();
  } catch {
    // not a problem document: the status must do
  }
  throw new Problem(String(body.title ?? "error"), String(body.detail ?? ""), response.status, String(body.field ?? ""));
}

const lang = () => `lang=${document.documentElement.lang === "zh-Hant" ? "zh-Hant" : "en"}`;
const withLang = (path: string) => path + (path.includes("?") ? "&" : "?") + lang();

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await answered(withLang(path), { signal })).json();
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const init = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal };
  return (await answered(withLang(path), init)).json();
}

/** Ask as a job: progress as it comes; the signal cancels it on the server too. */
export async function job<T>(path: string, body: Json | null, progress: (p: Progress) => void, signal: AbortSignal): Promise<Kept<T>> {
  const init: RequestInit = body === null ? { signal } : { method: "POST", body: JSON.stringify(body), signal };
  const kind: Record<string, string> = body === null ? {} : { "Content-Type": "application/json" };
  const taken = await answered(withLang(path), { ...init, headers: { ...kind, Prefer: "respond-async" } });
  if (taken.status !== 202) return kept(taken);
  const where = taken.headers.get("Location") ?? "";
  const cancel = () => void fetch(where, { method: "DELETE", headers: headers(), keepalive: true }).catch(() => undefined);
  signal.addEventListener("abort", cancel);
  try {
    const events = await answered(withLang(`${where}/events`), { signal });
    for await (const [name, data] of read(events)) {
      if (name === "progress") progress(data as unknown as Progress);
      else break;
    }
    return await kept(await answered(withLang(`${where}/result`), { signal }));
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

async function kept<T>(response: Response): Promise<Kept<T>> {
  return { answer: await response.json(), id: response.headers.get("Content-Location")?.split("/").pop() ?? "" };
}

async function* read(response: Response): AsyncGenerator<[string, Record<string, unknown>]> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const name = /^event: (.*)$/m.exec(part)?.[1] ?? "";
      yield [name, JSON.parse(/^data: (.*)$/m.exec(part)?.[1] ?? "{}")];
    }
  }
}

/** Bring a file and hand it to the reader's disk. */
export async function download(path: string, name: string): Promise<void> {
  const blob = await (await answered(withLang(path), {})).blob();
  save(blob, name);
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
