// All state of the page is in its address, after the #: a link, a refresh and the browser's Back keep and restore it.
import { useSyncExternalStore } from "react";

export type State = Record<string, string>;
export const SCREENS = ["ask", "compare", "design", "law", "truth"] as const;
export type Screen = (typeof SCREENS)[number];

function parse(hash: string): { screen: Screen; state: State } {
  const [path, query] = hash.replace(/^#\/?/, "").split("?", 2);
  const screen = (SCREENS as readonly string[]).includes(path) ? (path as Screen) : "ask";
  return { screen, state: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

let last = { hash: "\0", value: parse("") };
function snapshot() {
  if (location.hash !== last.hash) last = { hash: location.hash, value: parse(location.hash) };
  return last.value;
}

function subscribe(changed: () => void) {
  addEventListener("hashchange", changed);
  addEventListener("popstate", changed);
  return () => {
    removeEventListener("hashchange", changed);
    removeEventListener("popstate", changed);
  };
}

export function address(screen: Screen, state: State): string {
  const kept = Object.entries(state).filter(([, v]) => v !== "");
  const query = new URLSearchParams(kept).toString();
  return `#/${screen}${query ? `?${query}` : ""}`;
}

let lastPush = 0;
let lastKeys = "";
/** Change the address. Changes of the same fields within a second are one step of undo. */
export function go(change: State, to?: Screen): void {
  const now = snapshot();
  const next = address(to ?? now.screen, { ...now.state, ...change });
  if (next === location.hash) return;
  const keys = Object.keys(change).join();
  const same = keys === lastKeys && !to && Date.now() - lastPush < 1000;
  lastPush = Date.now();
  lastKeys = keys;
  if (same) history.replaceState(null, "", next);
  else history.pushState(null, "", next);
  dispatchEvent(new Event("popstate"));
}

export function useAddress() {
  return useSyncExternalStore(subscribe, snapshot);
}
