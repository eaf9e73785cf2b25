import type { Measure } from "./measures";
export const measureName = (m: Measure): string => m.name;
