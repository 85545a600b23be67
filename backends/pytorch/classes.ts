/**
 * From levels to Python classes. Modules of one block that are the same but for numbers share a class; numbers that differ become
 * arguments of its constructor, under the names of the spec's parameters where they are equal to them.
 */
import { must } from "../../compiler/invariant.ts";
import { shapeText } from "../../compiler/ir/type.ts";
import { position } from "../../compiler/source.ts";
import { call, type Expr, type Fill, hole, holesOf, named, shapeOf } from "./expr.ts";
import { type Forward, forwardOf, forwardShape } from "./forward.ts";
import { moduleOf } from "./layers.ts";
import { type Instance, type Parameter, parametersOf } from "./parameters.ts";
import { className, isFreeName, pythonName } from "./python-text.ts";
import { type Child, isChain, type Level, type Step } from "./structure.ts";

export interface Registration {
  /** From the module down to the one that holds it: containers of an opened group. */
  readonly parts: readonly string[];
  /** Absent for a container. */
  readonly value: Expr | undefined;
}

export interface PythonClass {
  /** Settled when all classes are known; until then texts have a mark with `id` for it. */
  name: string;
  readonly id: string;
  readonly level: Level;
  readonly places: readonly Level[];
  /** nn.Sequential when the class is nothing but its layers in a row. */
  readonly sequence: Expr | undefined;
  readonly registrations: readonly Registration[];
  readonly forward: Forward;
  readonly parameters: readonly Parameter[];
  /** What stands for the holes of the first place, in the constructor and in `forward`. */
  readonly inConstructor: Fill;
  readonly inForward: Fill;
}

interface Body {
  readonly level: Level;
  readonly sequence: Expr | undefined;
  readonly registrations: readonly Registration[];
  readonly forward: Forward;
  readonly shape: string;
}

/** A group in a row is written where it stands, as nn.Sequential. */
const isPlainGroup = (level: Level): boolean => level.kind === "group" && level.parent !== undefined && isSequence(level);

/** Every step as a module; undefined when one has none. */
function isSequence(level: Level): boolean {
  if (!isChain(level)) return false;
  return level.steps.every((s) => {
    const part = s.kind === "layer" ? s.home.part : s.level.part;
    return isFreeName(part) && !part.includes(".") && (s.kind === "level" || moduleOf(s.node, s.label) !== undefined);
  });
}

const heightOf = (level: Level): number => {
  const inner = level.children.map((c) => ("level" in c ? heightOf(c.level) + (c.level.inline || isPlainGroup(c.level) ? 0 : 1) : 0));
  return Math.max(0, ...inner);
};

function modulesIn(level: Level): Level[] {
  const own = level.inline || isPlainGroup(level) ? [] : [level];
  return [...own, ...level.children.flatMap((c) => ("level" in c ? modulesIn(c.level) : []))];
}

/** All classes, those that others use first, the net's own last. */
export function classesOf(root: Level, taken: Set<string>): PythonClass[] {
  const made = new Map<Level, { readonly cls: PythonClass; readonly at: number }>();
  const levels = modulesIn(root);
  const rootName = pythonName(className(root.type), taken);
  const classes: PythonClass[] = [];
  const heights = [...new Set(levels.map(heightOf))].sort((a, b) => a - b);
  for (const height of heights) {
    const bodies = levels.filter((l) => heightOf(l) === height).map((l) => bodyOf(l, made));
    const groups = new Map<string, Body[]>();
    for (const body of bodies) {
      const key = `${body.level === root ? "" : baseName(body.level)} ${body.shape}`;
      groups.set(key, [...(groups.get(key) ?? []), body]);
    }
    for (const group of groups.values()) {
      const name = group[0]?.level === root ? rootName : "";
      const cls = classOf(group, name);
      classes.push(cls);
      for (const [at, { level }] of group.entries()) made.set(level, { cls, at });
    }
  }
  nameVariants(classes, taken);
  return classes;
}

/** The constructor call of a level's module. Names of classes are settled later: the text asks for them when it is printed. */
function constructorCall(level: Level, made: ReadonlyMap<Level, { cls: PythonClass; at: number }>): Expr {
  if (isPlainGroup(level)) return sequenceOf(level, made);
  const { cls, at } = must(made.get(level), `class of ${level.path}`);
  const args = cls.parameters.map((p) => {
    const value = hole(
      must(p.values[at], "value"),
      `${level.part.replace(/\W+/g, "_")}_${p.name}`.replace(/^\d+_/, ""),
      p.role,
      p.standard,
    );
    return p.standard === undefined ? value : named(p.name, value);
  });
  return call(`\u0000${cls.id}\u0000`, ...args);
}

function sequenceOf(level: Level, made: ReadonlyMap<Level, { cls: PythonClass; at: number }>): Expr {
  return {
    kind: "sequence",
    items: level.steps.map((s) =>
      s.kind === "layer"
        ? { part: s.home.part, value: must(moduleOf(s.node, s.label), s.label) }
        : { part: s.level.part, value: constructorCall(s.level, made) },
    ),
  };
}

function registrationsOf(
  level: Level,
  made: ReadonlyMap<Level, { cls: PythonClass; at: number }>,
  above: readonly string[],
): Registration[] {
  return level.children.flatMap((child: Child): Registration[] => {
    const parts = [...above, child.part];
    if ("layer" in child) return [{ parts, value: must(moduleOf(child.layer, child.part), child.part) }];
    if (!child.level.inline) return [{ parts, value: constructorCall(child.level, made) }];
    const inner = registrationsOf(child.level, made, parts);
    return inner.length === 0 ? [] : [{ parts, value: undefined }, ...inner];
  });
}

function bodyOf(level: Level, made: ReadonlyMap<Level, { cls: PythonClass; at: number }>): Body {
  const numbered = level.steps.every((s, i) => (s.kind === "layer" ? s.home.part : s.level.part) === String(i));
  const sequence = level.parent && level.kind === "block" && numbered && isSequence(level) ? sequenceOf(level, made) : undefined;
  const registrations = sequence ? [] : registrationsOf(level, made, []);
  const forward = forwardOf(level);
  const shape = sequence
    ? shapeOf(sequence)
    : JSON.stringify([registrations.map((r) => [r.parts, r.value ? shapeOf(r.value) : ""]), forwardShape(forward)]);
  return { level, sequence, registrations, forward, shape };
}

const expressionsOf = (body: Body): { readonly built: Expr[]; readonly run: Expr[] } => ({
  built: body.sequence ? [body.sequence] : body.registrations.flatMap((r) => (r.value ? [r.value] : [])),
  run: body.sequence ? [] : [...body.forward.statements.map((s) => s.value), ...body.forward.results],
});

function classOf(group: readonly Body[], name: string): PythonClass {
  const [first] = group as readonly [Body, ...Body[]];
  const instances = group.map((body): Instance => {
    const { built, run } = expressionsOf(body);
    return { level: body.level, built: built.flatMap(holesOf), run: run.flatMap(holesOf) };
  });
  const { parameters, texts } = parametersOf(instances, first.level.parent === undefined);
  const fill =
    (prefix: string): Fill =>
    (h) => {
      const text = texts.get(h);
      return text === undefined ? undefined : text.replace(/\{(\w+)\}/g, `${prefix}$1`);
    };
  return {
    name,
    id: first.level.path || ".",
    level: first.level,
    places: group.map((b) => b.level),
    sequence: first.sequence,
    registrations: first.registrations,
    forward: first.forward,
    parameters,
    inConstructor: fill(""),
    inForward: fill("self."),
  };
}

/** "Bottleneck"; a group is called after the block around it and itself. */
export function baseName(level: Level): string {
  if (level.kind !== "group") return className(level.type);
  const own = className(level.type || level.part);
  let at = level.parent;
  while (at && at.kind === "group") at = at.parent;
  return at?.parent
    ? `${className(at.type)}${own}`
    : /^Net\d/.test(own) && level.parent
      ? `${className(level.parent.type || "part")}${level.part}`
      : own;
}

/** What is in a module, for telling variants of a block apart. */
function features(level: Level): string[] {
  const words = level.steps.flatMap((s: Step) => {
    if (s.kind === "level")
      return [s.level.kind === "group" ? s.level.type || "group" : s.level.type, ...(isPlainGroup(s.level) ? features(s.level) : [])];
    return [s.node.op === "add" ? "residual" : s.node.op];
  });
  return [...new Set(words)].filter((w) => w !== "");
}

/** Gives every class its name: the block's, and for variants what only they have. */
function nameVariants(classes: readonly PythonClass[], taken: Set<string>): void {
  const byBase = new Map<string, PythonClass[]>();
  for (const cls of classes) if (cls.name === "") byBase.set(baseName(cls.level), [...(byBase.get(baseName(cls.level)) ?? []), cls]);
  for (const [base, variants] of byBase) {
    const lists = variants.map((v) => features(v.level));
    const all = (lists[0] ?? []).filter((w) => lists.every((l) => l.includes(w)));
    for (const [i, cls] of variants.entries()) {
      const own = (lists[i] as string[]).filter((w) => !all.includes(w)).slice(0, 2);
      const name = variants.length === 1 ? base : `${base}${own.map(className).join("")}`;
      cls.name = freeName(name, taken);
    }
  }
}

/** "CBARelu2"; names of classes have no underscores. */
function freeName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let i = 2; taken.has(unique); i++) unique = `${name}${/\d$/.test(name) ? "V" : ""}${i}`;
  taken.add(unique);
  return unique;
}

/** The text with names of classes for their marks. */
export function withNames(text: string, classes: readonly PythonClass[]): string {
  const names = new Map(classes.map((c) => [c.id, c.name]));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a character that no name of a user can bring here
  return text.replace(/\u0000([^\u0000]*)\u0000/g, (_, id: string) => must(names.get(id), id));
}

/** "resnet.se, line 20". */
export function placeOf(level: Level): string | undefined {
  const { node } = level;
  if (!node) return undefined;
  const span = node.kind === "level" && node.source ? node.source.def.name.span : node.nameSpan;
  return `${span.file.name.split("/").at(-1)}, line ${position(span.file, span.start).line}`;
}

const open = (shape: readonly (number | string)[]): string => shapeText(["N", ...shape.slice(1)]);
export const shapesOf = (level: Level): string =>
  `${level.inputs.map((v) => open(v.type.shape)).join(", ")} -> ${level.outputs.map((v) => open(v.type.shape)).join(", ")}`;
