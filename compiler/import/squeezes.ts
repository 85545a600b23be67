/**
 * What becomes of a squeeze with an excitation. The library's `se` calls its matrices `fc1` and `fc2`: where the file does too, or where
 * names do not matter, it is one. A module of other names is a block of its own, and one without a module is written out.
 */
import { common, keyOf, type NodePlace, type Places, type Scope } from "./places.ts";
import type { Item, OwnNames, SqueezeExcite } from "./structure.ts";

export interface SqueezeOptions {
  /** Tensors inside an `se` are called as their places say. */
  readonly keepsNames?: boolean;
  /** Names that the file's tool made up. Where it does that, names are prefixes and no modules: they become modules here. */
  readonly madeUp?: ReadonlySet<string> | undefined;
}

/** Every `se` is called after its module, where that holds nothing else. */
export function withSqueezes(
  items: readonly Item[],
  places: Places,
  { keepsNames = false, madeUp }: SqueezeOptions,
): { items: readonly Item[]; places: Places } {
  const held = new Map<string, number>();
  const hold = (scope: Scope): void => {
    for (let n = scope.length; n > 0; n--) {
      const key = keyOf(scope.slice(0, n));
      held.set(key, (held.get(key) ?? 0) + 1);
    }
  };
  const modules = new Map<string, Scope>();
  const look = (list: readonly Item[]): void => {
    for (const item of list) {
      if (item.kind === "merge") for (const b of item.branches) look(b.items);
      else if (item.kind === "layer") hold(places.get(item.node.output)?.scope ?? []);
      else if (item.kind === "se") {
        const scopes = [item.se.fc1, item.se.fc2, item.node].flatMap((n) =>
          [places.get(n.output)?.scope ?? []].filter((s) => s.length > 0),
        );
        const [first = [], ...others] = scopes;
        const module = others.reduce(common, first);
        modules.set(item.node.output, module);
        hold(module);
      }
    }
  };
  look(items);
  const placed = new Map(places);
  const put = (list: readonly Item[]): Item[] =>
    list.map((item): Item => {
      if (item.kind === "merge") return { ...item, branches: item.branches.map((b) => ({ ...b, items: put(b.items) })) };
      if (item.kind !== "se") return item;
      const { node, se } = item;
      const module = modules.get(node.output) ?? [];
      const isOwn = module.length > 0 && held.get(keyOf(module)) === 1;
      const names = keepsNames ? namesBelow(se, module, places) : undefined;
      if (names && !isOwn) {
        const found = madeUp && withoutModule(names, madeUp);
        if (!found) return { kind: "merge", node, word: "mul", branches: writtenOut(se) };
        placed.set(node.output, { scope: module, own: found.own });
        return found.names ? { ...item, names: found.names } : item;
      }
      placed.set(node.output, isOwn ? { scope: module.slice(0, -1), own: module.at(-1) } : { scope: module, own: "se" });
      return names ? { ...item, names } : item;
    });
  return { items: put(items), places: placed };
}

/** The two branches of the product. */
export const writtenOut = (se: SqueezeExcite) => [
  { name: "x", items: [] },
  { name: "scale", items: se.scale },
];

/**
 * A squeeze of matrices that lie beside other layers: "block1_se_reduce" and "block1_se_expand" are `reduce` and `expand` of `block1_se`.
 * Without such a name it is an `se` like the library's. Undefined when the matrices lie in modules of their own.
 */
function withoutModule({ fc1, fc2 }: OwnNames, madeUp: ReadonlySet<string>): { own: string; names?: OwnNames } | undefined {
  const [a, b] = [fc1, fc2].map((place) => (place.scope?.length === 0 ? place.own : undefined));
  if (a === undefined || b === undefined) return undefined;
  let end = 0;
  while (end < a.length && a[end] === b[end]) end++;
  const prefix = /^(.+)[_/-]/.exec(a.slice(0, end))?.[1];
  if (prefix === undefined || madeUp.has(a) || madeUp.has(b)) return { own: "se" };
  const [own1, own2] = [a, b].map((name) => name.slice(prefix.length + 1)) as [string, string];
  const isPlain = [own1, own2].some((name) => name === "" || /^\d/.test(name)) || (own1 === "fc1" && own2 === "fc2");
  return { own: prefix, ...(isPlain ? {} : { names: { fc1: { scope: [], own: own1 }, fc2: { scope: [], own: own2 } } }) };
}

/** What the file calls the matrices below their module; undefined when it gives them no names, or those of the library. */
function namesBelow(se: SqueezeExcite, module: Scope, places: Places): OwnNames | undefined {
  const [fc1, fc2] = [se.fc1, se.fc2].map((node): NodePlace | undefined => {
    const place = places.get(node.output);
    return place?.scope && place.own !== undefined ? { scope: place.scope.slice(module.length), own: place.own } : undefined;
  });
  if (!fc1 || !fc2) return undefined;
  const isLibrary = (place: NodePlace, name: string): boolean => place.scope?.length === 0 && place.own === name;
  return isLibrary(fc1, "fc1") && isLibrary(fc2, "fc2") ? undefined : { fc1, fc2 };
}
