/** Kept versions as a tree of lines: one row a version, the newest on top, the base at the bottom. */
import type { AdapterSummary, Receipt } from '../../shared/records';

export interface VersionRow {
  version: number;
  /** The nearest ancestor that is still stored, in the end the base; null for the base. */
  parent: number | null;
  /** Which line the version stands on. The line of the version in use is 0. */
  lane: number;
  /** Its line goes on upwards. */
  continued: boolean;
  /** Other lines that end here, coming from above: branches that began at this version. */
  joining: number[];
  /** Lines that only pass by. */
  passing: number[];
}

export interface VersionTree {
  rows: VersionRow[];
  /** How many lines lie side by side at most. */
  lanes: number;
}

type Version = Pick<AdapterSummary, 'version' | 'parentVersion'>;
type Parents = ReadonlyMap<number, number>;

/** @param receipts say where versions came from that are no longer stored. */
export function treeOf(
  adapters: readonly Version[],
  receipts: readonly Pick<Receipt, 'version' | 'parentVersion'>[],
  inUse: number,
): VersionTree {
  const parents = storedParents(adapters, receipts);
  const main = lineThrough(inUse, parents);
  /** The version that each line runs down to; undefined where there is no line. */
  const lines: (number | undefined)[] = [undefined];
  let lanes = 1;
  const row = (version: number): VersionRow => {
    const ending = lanesWhere(lines, (target) => target === version);
    const lane = main.has(version) ? 0 : (ending[0] ?? freeLane(lines));
    for (const ended of ending) lines[ended] = undefined;
    const passing = lanesWhere(lines, (target) => target !== undefined);
    const parent = parents.get(version) ?? null;
    lines[lane] = parent ?? undefined;
    lanes = Math.max(lanes, lines.length);
    const joining = ending.filter((other) => other !== lane);
    return { version, parent, lane, continued: ending.includes(lane), joining, passing };
  };
  const rows = [...parents.keys()].sort((a, b) => b - a).map(row);
  return { rows: [...rows, row(0)], lanes };
}

function storedParents(
  adapters: readonly Version[],
  receipts: readonly Pick<Receipt, 'version' | 'parentVersion'>[],
): Map<number, number> {
  const stored = new Set(adapters.map(({ version }) => version));
  const origin = new Map(receipts.map(({ version, parentVersion }) => [version, parentVersion]));
  const nearest = (version: number, parent: number): number => {
    if (parent <= 0 || parent >= version) return 0; // what is damaged must not lead in circles
    return stored.has(parent) ? parent : nearest(parent, origin.get(parent) ?? 0);
  };
  return new Map(adapters.map(({ version, parentVersion }) => [version, nearest(version, parentVersion)]));
}

/** A version with its ancestors and, each time, its newest child. */
function lineThrough(version: number, parents: Parents): Set<number> {
  const line = new Set([0]);
  for (let at = version; at > 0; at = parents.get(at) ?? 0) line.add(at);
  for (let at: number | undefined = version; at !== undefined; at = newestChild(at, parents)) line.add(at);
  return line;
}

function newestChild(version: number, parents: Parents): number | undefined {
  const children = [...parents].flatMap(([child, parent]) => (parent === version ? [child] : []));
  return children.length === 0 ? undefined : Math.max(...children);
}

function lanesWhere(
  lines: readonly (number | undefined)[],
  wanted: (target: number | undefined) => boolean,
): number[] {
  return lines.flatMap((target, lane) => (wanted(target) ? [lane] : []));
}

/** The first lane without a line, beside the one of the version in use. */
function freeLane(lines: readonly (number | undefined)[]): number {
  const free = lines.findIndex((target, lane) => lane > 0 && target === undefined);
  return free < 0 ? lines.length : free;
}
