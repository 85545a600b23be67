/**
 * The items of an imported net inside the groups that its names speak of: "layer1.0.conv1" lies in `layer1: { { ... } }`. A module becomes
 * a group when all of its layers lie in one run of one body; else its name goes into the labels of what it holds ("head_conv1").
 */
import type { ImportedNode } from "./imported.ts";
import { common, keyOf, type NodePlace, type Places, type Scope } from "./places.ts";
import { type SqueezeOptions, withSqueezes } from "./squeezes.ts";
import type { Item, OwnNames, SqueezeExcite } from "./structure.ts";

/** A layer or an `se` as one item of a body. */
export interface NestedLayer {
  readonly kind: "layer";
  readonly node: ImportedNode;
  readonly se?: SqueezeExcite;
  /** What the file calls the matrices of `se`, where that is not what the library does. */
  readonly names?: OwnNames;
  /** What the file calls it in its module. */
  readonly own: string | undefined;
}
export interface NestedGroup {
  readonly kind: "group";
  readonly own: string;
  readonly items: readonly Nested[];
}
export interface NestedMerge {
  readonly kind: "merge";
  readonly node: ImportedNode;
  readonly word: string;
  readonly branches: readonly { readonly name: string; readonly items: readonly Nested[] }[];
}
export type Nested = NestedLayer | NestedGroup | NestedMerge | Extract<Item, { kind: "from" | "output" }>;

/** Rewritings of names, each of which makes one module fewer. */
const MOST_ROUNDS = 64;

const startsWith = (scope: Scope, prefix: Scope): boolean => prefix.every((p, i) => scope[i] === p);

const joined = (scopes: readonly (Scope | undefined)[]): Scope | undefined => {
  const [first, ...others] = scopes.filter((s) => s !== undefined);
  return others.reduce<Scope | undefined>((a, b) => a && common(a, b), first);
};

interface Nesting {
  readonly places: Places;
  /** The module that an item lies in; undefined when nothing says so. */
  readonly scopes: ReadonlyMap<Item, Scope | undefined>;
  /** Layers in a module. */
  readonly total: ReadonlyMap<string, number>;
  /** Modules that cannot be groups. */
  readonly failed: Map<string, Scope>;
}

/** Without places every item stays at the top level. */
export function nest(found: readonly Item[], given: Places | undefined, options: SqueezeOptions = {}): readonly Nested[] {
  const { items, places: placed } = given ? withSqueezes(found, given, options) : { items: found, places: new Map() as Places };
  let places = placed;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const scopes = new Map<Item, Scope | undefined>();
    const total = new Map<string, number>();
    survey(items, places, scopes, total);
    const nesting: Nesting = { places, scopes, total, failed: new Map() };
    const nested = body(nesting, items, []);
    if (nesting.failed.size === 0) return nested;
    places = withoutModules(places, nesting.failed);
  }
  return nest(found, undefined);
}

/** Fills in the modules of all items, inside out, and counts the layers of every module; gives what the items have in common. */
function survey(
  items: readonly Item[],
  places: Places,
  scopes: Map<Item, Scope | undefined>,
  total: Map<string, number>,
): Scope | undefined {
  const found: Scope[] = [];
  for (const item of items) {
    let scope: Scope | undefined;
    if (item.kind === "layer" || item.kind === "se") {
      scope = places.get(item.node.output)?.scope;
      for (let n = scope?.length ?? 0; scope && n > 0; n--) {
        const key = keyOf(scope.slice(0, n));
        total.set(key, (total.get(key) ?? 0) + 1);
      }
    } else if (item.kind === "merge") {
      const inside = item.branches.flatMap((b) => [survey(b.items, places, scopes, total)]);
      const own = places.get(item.node.output)?.scope;
      scope = joined([...inside, own]);
    }
    scopes.set(item, scope);
    if (scope) found.push(scope);
  }
  return joined(found);
}

function layersIn(items: readonly Item[], prefix: Scope, scopes: Nesting["scopes"]): number {
  let n = 0;
  for (const item of items) {
    if (item.kind === "merge") for (const b of item.branches) n += layersIn(b.items, prefix, scopes);
    const scope = item.kind === "layer" || item.kind === "se" ? scopes.get(item) : undefined;
    if (scope && startsWith(scope, prefix)) n++;
  }
  return n;
}

const FOLLOWS = new Set("relu relu6 hswish silu sigmoid hsigmoid5 hsigmoid6 tanh leaky_relu elu mish gelu clip".split(" "));
/** An activation without a name belongs to what it follows. */
const follows = (item: Item): boolean => item.kind === "layer" && FOLLOWS.has(item.node.op);

function body(cx: Nesting, items: readonly Item[], prefix: Scope): Nested[] {
  const out: Nested[] = [];
  /** The module below `prefix`; null: directly here; undefined: anywhere. */
  const module = (item: Item | undefined): string | null | undefined => {
    if (!item || item.kind === "output") return null;
    const scope = cx.scopes.get(item);
    if (!scope) return undefined;
    return startsWith(scope, prefix) && scope.length > prefix.length ? (scope[prefix.length] as string) : null;
  };
  for (let i = 0; i < items.length; ) {
    const name = module(items[i]);
    if (typeof name !== "string") {
      out.push(plain(cx, items[i] as Item, prefix));
      i++;
      continue;
    }
    let end = i + 1;
    for (let k = end; k < items.length; k++) {
      const other = module(items[k]);
      if (other === name) end = k + 1;
      else if (other !== undefined) break;
    }
    while (end < items.length && module(items[end]) === undefined && follows(items[end] as Item)) end++;
    const run = items.slice(i, end);
    const inner = [...prefix, name];
    if (layersIn(run, inner, cx.scopes) === cx.total.get(keyOf(inner))) out.push({ kind: "group", own: name, items: body(cx, run, inner) });
    else {
      cx.failed.set(keyOf(inner), inner);
      for (const item of run) out.push(plain(cx, item, prefix));
    }
    i = end;
  }
  return out;
}

function plain(cx: Nesting, item: Item, prefix: Scope): Nested {
  switch (item.kind) {
    case "layer":
      return { kind: "layer", node: item.node, own: cx.places.get(item.node.output)?.own };
    case "se": {
      const { node, se, names } = item;
      return { kind: "layer", node, own: cx.places.get(node.output)?.own, se, ...(names ? { names } : {}) };
    }
    case "merge": {
      const { node, word, branches } = item;
      return { kind: "merge", node, word, branches: branches.map((b) => ({ name: b.name, items: body(cx, b.items, prefix) })) };
    }
    default:
      return item;
  }
}

/** The names of modules that cannot be groups, in the names of what they hold. */
function withoutModules(places: Places, failed: ReadonlyMap<string, Scope>): Places {
  const depths = [...new Set([...failed.values()].map((s) => s.length))].sort((a, b) => b - a);
  return new Map(
    [...places].map(([value, { scope, own }]): [string, NodePlace] => {
      if (!scope) return [value, { scope, own }];
      let [at, name]: [Scope, string | undefined] = [scope, own];
      for (const n of depths) {
        const gone = at.slice(0, n);
        if (gone.length < n || !failed.has(keyOf(gone))) continue;
        const label = gone[n - 1] as string;
        if (at.length > n) at = [...at.slice(0, n - 1), `${label}_${at[n]}`, ...at.slice(n + 1)];
        else [at, name] = [at.slice(0, n - 1), name === undefined ? undefined : `${label}_${name}`];
      }
      return [value, { scope: at, own: name }];
    }),
  );
}
