/**
 * When tensors are missing: finds the few `--rename` rules that would make the file fit, from pairs of a missing and an unused tensor of
 * one shape whose names differ in one run of parts.
 */
import { type RenameRule, rename, ruleText } from "./rename.ts";

export interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface SuggestedRename {
  readonly rule: RenameRule;
  /** Missing tensors it finds. */
  readonly tensors: number;
  /** Their names in the net. */
  readonly finds: readonly string[];
}

/** More rules than this explain nothing to anybody. */
const MOST_RULES = 8;
const MOST_CANDIDATES = 64;

/** The run in which the names differ, widened by a neighbour when one side would be empty. */
function differingRun(from: string, to: string): RenameRule | undefined {
  const a = from.split(".");
  const b = to.split(".");
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  if (head + tail === a.length || head + tail === b.length) {
    if (tail > 0) tail--;
    else if (head > 0) head--;
    else return undefined;
  }
  // the tensor's own name ("weight") may not change kind: a bias is not a weight of the same shape
  if (tail === 0 && a.at(-1) !== b.at(-1)) return undefined;
  return { from: a.slice(head, a.length - tail), to: b.slice(head, b.length - tail) };
}

/**
 * Greedy: the rule that finds most, then the one that finds most of the rest. `fixed` are names that fit already and must stay as they are.
 * `fits` compares the shape in the file with the shape wanted.
 */
export function suggestRenames(
  missing: readonly Named[],
  unused: readonly Named[],
  fixed: readonly string[],
  fits: (have: readonly number[], want: readonly number[]) => boolean,
): SuggestedRename[] {
  const wanted = new Map(missing.map((m) => [m.name, m]));
  const free = new Set(unused);
  const out: SuggestedRename[] = [];
  while (wanted.size > 0 && free.size > 0 && out.length < MOST_RULES) {
    const best = bestRule(wanted, [...free], fixed, fits);
    if (!best) break;
    const finds = best.found.map((u) => rename(u.name, best.rule));
    for (const u of best.found) free.delete(u);
    for (const name of finds) wanted.delete(name);
    out.push({ rule: best.rule, tensors: finds.length, finds });
  }
  return out;
}

function bestRule(
  wanted: ReadonlyMap<string, Named>,
  free: readonly Named[],
  fixed: readonly string[],
  fits: (have: readonly number[], want: readonly number[]) => boolean,
): { rule: RenameRule; found: Named[] } | undefined {
  const votes = new Map<string, { rule: RenameRule; count: number }>();
  const ownName = (n: string): string => n.slice(n.lastIndexOf(".") + 1);
  const byOwnName = new Map<string, Named[]>();
  for (const u of free) byOwnName.set(ownName(u.name), [...(byOwnName.get(ownName(u.name)) ?? []), u]);
  for (const m of wanted.values())
    for (const u of byOwnName.get(ownName(m.name)) ?? []) {
      if (!fits(u.shape, m.shape)) continue;
      const rule = differingRun(u.name, m.name);
      if (!rule) continue;
      const key = ruleText(rule);
      const vote = votes.get(key);
      if (vote) vote.count++;
      else votes.set(key, { rule, count: 1 });
    }
  const candidates = [...votes.values()]
    .sort((a, b) => b.count - a.count || a.rule.from.length - b.rule.from.length)
    .slice(0, MOST_CANDIDATES);
  let best: { rule: RenameRule; found: Named[] } | undefined;
  for (const { rule } of candidates) {
    const targets = new Set<string>();
    const found = free.filter((u) => {
      const name = rename(u.name, rule);
      const target = wanted.get(name);
      if (!target || targets.has(name) || !fits(u.shape, target.shape)) return false;
      targets.add(name);
      return true;
    });
    if (found.length > (best?.found.length ?? 0) && fixed.every((n) => rename(n, rule) === n)) best = { rule, found };
  }
  return best;
}
