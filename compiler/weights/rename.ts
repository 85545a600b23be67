/** Names of weight files made to fit: wrappers of training code stripped, `--strip`, `--rename` (weights.md section 4, steps 2 and 3). */

/** A=B: runs of whole parts; `*` stands for one part and is carried over. */
export interface RenameRule {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

export const ruleText = (rule: RenameRule): string => `${rule.from.join(".")}=${rule.to.join(".")}`;

/** The rule, or what is wrong with the text. */
export function parseRename(text: string): RenameRule | { readonly reason: string } {
  const halves = text.split("=");
  const [from = [], to = []] = halves.map((half) => half.split("."));
  if (halves.length !== 2) return { reason: `\`${text}\` is not of the form A=B` };
  if ([...from, ...to].some((part) => part === "")) return { reason: `\`${text}\` has an empty part` };
  const stars = (parts: readonly string[]): number => parts.filter((p) => p === "*").length;
  if (stars(to) > stars(from)) return { reason: `\`${text}\` has more * on its right than on its left` };
  return { from, to };
}

/** Replaces the first run of parts that the rule fits; the name itself when it fits nowhere. */
export function rename(name: string, rule: RenameRule): string {
  const parts = name.split(".");
  const { from, to } = rule;
  for (let start = 0; start + from.length <= parts.length; start++) {
    if (!from.every((p, i) => p === "*" || p === parts[start + i])) continue;
    const carried = from.flatMap((p, i) => (p === "*" ? [parts[start + i]!] : []));
    const replacement = to.map((p) => (p === "*" ? carried.shift()! : p));
    return [...parts.slice(0, start), ...replacement, ...parts.slice(start + from.length)].join(".");
  }
  return name;
}

/** What DataParallel, torch.compile and training loops put before every name. */
const WRAPPERS = ["module.", "_orig_mod.", "state_dict.", "model."];

/** The wrapper prefix that all names of the file have and none of the net's names has; "" if there is none. Several are found in turn. */
export function wrapperOf(fileNames: readonly string[], netNames: readonly string[]): string {
  let found = "";
  for (;;) {
    const next = WRAPPERS.find(
      (w) => fileNames.length > 0 && fileNames.every((n) => n.startsWith(found + w)) && !netNames.some((n) => n.startsWith(w)),
    );
    if (next === undefined) return found;
    found += next;
  }
}

export interface NameOptions {
  /** `--strip`, in order; with or without the final dot. */
  readonly strip?: readonly string[] | undefined;
  /** `--rename`, in order. */
  readonly rename?: readonly RenameRule[] | undefined;
}

export interface Naming {
  /** The name in the file to the name looked for in the net. */
  readonly names: ReadonlyMap<string, string>;
  /** One line for every step that did something. */
  readonly log: readonly string[];
}

/** What each name of the file is called in the net. */
export function nameTensors(fileNames: readonly string[], netNames: readonly string[], options: NameOptions): Naming {
  const log: string[] = [];
  let names = [...fileNames];
  const wrapper = wrapperOf(fileNames, netNames);
  if (wrapper !== "") {
    names = names.map((n) => n.slice(wrapper.length));
    log.push(`stripped \`${wrapper}\` from all ${names.length} names`);
  }
  const step = (label: string, change: (name: string) => string): void => {
    const after = names.map(change);
    const changed = after.filter((n, i) => n !== names[i]).length;
    names = after;
    log.push(`${label}: ${changed} of ${names.length} names`);
  };
  for (const given of options.strip ?? []) {
    const prefix = given.endsWith(".") ? given : `${given}.`;
    step(`strip ${prefix}`, (n) => (n.startsWith(prefix) ? n.slice(prefix.length) : n));
  }
  for (const rule of options.rename ?? []) step(`rename ${ruleText(rule)}`, (n) => rename(n, rule));
  return { names: new Map(fileNames.map((n, i) => [n, names[i]!])), log };
}
