/** Which numbers of a class become arguments of its constructor, and what they are called. */
import { must } from "../../compiler/invariant.ts";
import type { Hole, Role } from "./expr.ts";
import { type Literal, literal, pythonName } from "./python-text.ts";
import type { Level } from "./structure.ts";

export interface Parameter {
  readonly name: string;
  readonly role: Role;
  /** One for each place of the class. */
  readonly values: readonly Literal[];
  /** Its default. */
  readonly standard: Literal | undefined;
  /** Kept as an attribute because `forward` reads it. */
  readonly isRead: boolean;
}

export interface Instance {
  readonly level: Level;
  readonly built: readonly Hole[];
  readonly run: readonly Hole[];
}

interface Known {
  readonly name: string;
  readonly values: readonly Literal[];
}

/** Parameters of blocks that are no number of channels, whatever they are equal to. */
const NOT_CHANNELS = new Set("stride kernel groups reduction dilation size depth units layers gamma beta eps extent parts bias".split(" "));

const same = (a: readonly Literal[], b: readonly Literal[]): boolean => JSON.stringify(a) === JSON.stringify(b);
const isConstant = (values: readonly Literal[]): boolean => values.every((v) => JSON.stringify(v) === JSON.stringify(values[0]));

/** The spec's parameters of a block with their values at each place; only those that Python can take as they are. */
function specParameters(instances: readonly Instance[]): Known[] {
  const [first] = instances.map((i) => i.level.node);
  if (first?.kind !== "level") return [];
  return [...first.args.keys()].flatMap((name) => {
    const values = instances.map(({ level }) => (level.node?.kind === "level" ? level.node.args.get(name) : undefined));
    // `channel` of the library's blocks only confirms what arrives
    if (name === "channel") return [];
    const plain = values.every((v) => typeof v === "number" || typeof v === "boolean");
    return plain ? [{ name, values: values as Literal[] }] : [];
  });
}

const numbers = (values: readonly Literal[]): readonly number[] | undefined =>
  values.every((v) => typeof v === "number") ? (values as readonly number[]) : undefined;

/** "4 * width", "in_channels // 16", "expand * in_channels": an expression that gives the values at every place. */
function derived(values: readonly Literal[], known: readonly Known[]): string | undefined {
  const wanted = numbers(values);
  if (!wanted) return undefined;
  const bases = known.flatMap((k) => {
    const v = numbers(k.values);
    // with one value any two numbers have a factor between them
    return v && !isConstant(v) ? [{ name: k.name, v }] : [];
  });
  // of several that fit the one with the smallest factor is meant: in_channels // 4, not expanded // 24
  const fitting = bases.flatMap(({ name, v }) => {
    const [factor, part] = [(wanted[0] as number) / (v[0] as number), (v[0] as number) / (wanted[0] as number)];
    const isMultiple = Number.isInteger(factor) && factor > 1 && factor <= 64 && wanted.every((w, i) => w === factor * (v[i] as number));
    const isPart = Number.isInteger(part) && part > 1 && part <= 64 && wanted.every((w, i) => w * part === v[i]);
    return isMultiple ? [{ by: factor, text: `${factor} * {${name}}` }] : isPart ? [{ by: part, text: `{${name}} // ${part}` }] : [];
  });
  const best = Math.min(...fitting.map((f) => f.by));
  const found = fitting.find((f) => f.by === best);
  if (found) return found.text;
  for (const a of bases)
    for (const b of bases)
      if (a !== b && !NOT_CHANNELS.has(a.name) && wanted.every((w, i) => w === (a.v[i] as number) * (b.v[i] as number)))
        return `{${a.name}} * {${b.name}}`;
  return undefined;
}

/**
 * Texts by hole of the first place: `{name}` stands for an argument, undefined leaves an argument out that has PyTorch's own value.
 * The net itself takes no arguments: its numbers stay where they are.
 */
export function parametersOf(
  instances: readonly Instance[],
  isNet: boolean,
): { readonly parameters: readonly Parameter[]; readonly texts: ReadonlyMap<Hole, string | undefined> } {
  const [first] = instances as readonly [Instance, ...Instance[]];
  const spec = isNet ? [] : specParameters(instances);
  const arriving: Known = { name: "in_channels", values: instances.map(({ level }) => level.inputs[0]?.type.shape[1] as number) };
  const isBlock = first.level.kind !== "group" && !isNet;
  const channels = spec.filter((k) => !NOT_CHANNELS.has(k.name));
  const texts = new Map<Hole, string | undefined>();
  const used = new Map<
    string,
    { role: Role; values: readonly Literal[]; standards: (Literal | undefined)[]; isRead: boolean; order: number }
  >();
  const made: { known: Known; role: Role; hole: string }[] = [];
  const results: { text: string; values: readonly Literal[] }[] = [];
  /** The channels that the layer at hand reads. */
  let read: { text: string; values: readonly Literal[] } | undefined;
  const isGroups = (h: Hole): boolean => h.name.endsWith("groups") && h.value !== 1;
  const taken = new Set([...spec.map((k) => k.name), "in_channels"]);

  const note = (
    text: string,
    role: Role,
    standard: Literal | undefined,
    isRead: boolean,
    valuesOf: (name: string) => readonly Literal[],
  ): void => {
    const direct = /^\{(\w+)\}$/.exec(text)?.[1];
    for (const [, name] of text.matchAll(/\{(\w+)\}/g)) {
      const entry = used.get(name as string) ?? { role, values: valuesOf(name as string), standards: [], isRead: false, order: used.size };
      entry.standards.push(direct === name ? standard : undefined);
      entry.isRead ||= isRead;
      used.set(name as string, entry);
    }
  };
  const lookUp = (name: string): readonly Literal[] =>
    must(
      [arriving, ...spec, ...made.map((m) => m.known)].find((k) => k.name === name),
      name,
    ).values;

  const textFor = (h: Hole, values: readonly Literal[]): string => {
    const isChannels = h.role !== "setting" || (typeof h.value === "number" && /channels/.test(h.name));
    const preferred = h.role === "in" ? [arriving, ...channels] : isChannels ? [...channels, arriving] : [];
    const own = h.role === "in" ? [] : spec.filter((k) => h.name === k.name || h.name.endsWith(`_${k.name}`));
    // a depthwise convolution has as many groups as channels
    const wide = isGroups(h) && read !== undefined && same(read.values, values) ? read : undefined;
    const latest = h.role === "in" ? results.findLast((r) => same(r.values, values)) : undefined;
    if (latest) return latest.text;
    // a width that is chosen: with one value it may be equal to anything
    const isChosen = /hidden/.test(h.name) && isConstant(values);
    const exact = [...own, ...(isChosen ? [] : preferred)].find((k) => same(k.values, values));
    if (exact) return `{${exact.name}}`;
    if (wide) return wide.text;
    const expression = isChannels ? derived(values, preferred) : undefined;
    if (expression) return expression;
    if (isConstant(values)) return literal(h.value);
    if (h.name.endsWith("padding")) {
      const kernel = [...spec, ...made.map((m) => m.known)].find(
        (k) =>
          k.name.endsWith("kernel") && values.every((v, i) => typeof k.values[i] === "number" && v === ((k.values[i] as number) - 1) / 2),
      );
      if (kernel) return `{${kernel.name}} // 2`;
    }
    const before = made.find(
      (m) => m.role === h.role && same(m.known.values, values) && (isChannels || m.hole.split("_").at(-1) === h.name.split("_").at(-1)),
    );
    if (before) return `{${before.known.name}}`;
    const name = pythonName(h.name, taken);
    made.push({ known: { name, values }, role: h.role, hole: h.name });
    return `{${name}}`;
  };

  for (const isRead of [false, true]) {
    const own = isRead ? first.run : first.built;
    for (const [k, h] of own.entries()) {
      const values = instances.map((i) => must((isRead ? i.run : i.built)[k], "hole").value);
      const parametric = isBlock && h.role !== "setting";
      const isWide = isBlock && isGroups(h) && read !== undefined && same(read.values, values);
      if (isConstant(values) && !parametric && !isWide) {
        texts.set(h, JSON.stringify(h.value) === JSON.stringify(h.standard) ? undefined : literal(h.value));
        continue;
      }
      const text = isNet ? literal(h.value) : textFor(h, values);
      // what the layers before it give is what a layer gets
      if (h.role === "out") results.push({ text, values });
      if (h.role === "in") read = { text, values };
      note(text, h.role, h.standard, isRead, lookUp);
      texts.set(h, text);
    }
  }
  const order = ["in_channels", ...spec.map((k) => k.name), ...made.map((m) => m.known.name)];
  const parameters = [...used]
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name, u]): Parameter => {
      const [standard] = u.standards;
      const agreed = standard !== undefined && u.standards.every((s) => JSON.stringify(s) === JSON.stringify(standard));
      const helps = agreed && u.values.some((v) => JSON.stringify(v) === JSON.stringify(standard));
      return { name, role: u.role, values: u.values, standard: helps ? standard : undefined, isRead: u.isRead };
    });
  // arguments with a default come last
  return {
    parameters: [...parameters.filter((p) => p.standard === undefined), ...parameters.filter((p) => p.standard !== undefined)],
    texts,
  };
}
