/** The steps of a module as statements of `forward`: few names, chains in one line, branches under their own names. */
import { invariant, must } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import { call, type Expr, print, raw, shapeOf } from "./expr.ts";
import { functionOf } from "./functions.ts";
import { isFreeName, isPlainAttribute, literal, pythonName } from "./python-text.ts";
import type { Holder, LayerStep, Level, Step } from "./structure.ts";

export interface Statement {
  readonly targets: readonly string[];
  readonly value: Expr;
}

export interface Forward {
  /** Names of the arguments. */
  readonly inputs: readonly string[];
  readonly statements: readonly Statement[];
  /** One for each output. */
  readonly results: readonly Expr[];
}

/** `self.layer1.conv1`, from a module down to another. */
export function access(from: Level, to: Holder): string {
  const parts = [to.part];
  for (let at = to.level; at !== from; at = must(at.parent, "the level around")) parts.unshift(at.part);
  return parts.reduce(
    (object, part) =>
      isPlainAttribute(part)
        ? `${object}.${part}`
        : isFreeName(part)
          ? `getattr(${object}, ${literal(part)})`
          : `${object}._modules[${literal(part)}]`,
    "self",
  );
}

const inputsOf = (step: Step): readonly Value[] => (step.kind === "layer" ? step.node.inputs : step.inputs);
const outputsOf = (step: Step): readonly (Value | undefined)[] => (step.kind === "layer" ? [step.node.output] : step.outputs);

/** What leads to something: its result stands in the line of the layer that follows. */
const CARRIED = new Set("add conv deconv linear chanconv bn ln gn instnorm affine gap gmp flatten chanmean chanmax pad".split(" "));
const MAX_CHAIN = 84;
const MAX_DEPTH = 4;
const depth = (e: Expr): number => (e.kind === "call" ? 1 + Math.max(0, ...e.args.map((a) => depth(a.value))) : e.kind === "text" ? 1 : 0);

class Writer {
  private readonly names = new Map<Value, string>();
  private readonly pending = new Map<Value, Expr>();
  private readonly lastUse = new Map<Value, number>();
  private readonly uses = new Map<Value, number>();
  private readonly statements: Statement[] = [];
  private readonly level: Level;

  constructor(level: Level) {
    this.level = level;
    for (const [i, step] of level.steps.entries())
      for (const v of inputsOf(step)) {
        this.lastUse.set(v, i);
        this.uses.set(v, (this.uses.get(v) ?? 0) + 1);
      }
    for (const v of level.outputs) {
      this.lastUse.set(v, level.steps.length);
      this.uses.set(v, (this.uses.get(v) ?? 0) + 1);
    }
  }

  run(): Forward {
    const { level } = this;
    const taken = new Set<string>();
    const inputs = level.inputs.map((v, i) => pythonName(level.parent && i === 0 ? "x" : v.name.split(".").at(-1) || "x", taken));
    for (const [i, v] of level.inputs.entries()) this.names.set(v, inputs[i] as string);
    for (const [i, step] of level.steps.entries()) this.step(step, i);
    return { inputs, statements: this.statements, results: level.outputs.map((v) => this.take(v)) };
  }

  /** The expression of a value: its name, or what was kept to stand in its only reader. */
  private take(value: Value): Expr {
    const kept = this.pending.get(value);
    this.pending.delete(value);
    return kept ?? raw(must(this.names.get(value), `name of ${value.name}`));
  }

  private step(step: Step, i: number): void {
    const args = inputsOf(step).map((v) => this.take(v));
    const value = this.expression(step, args);
    const outputs = outputsOf(step);
    const [only] = outputs;
    if (outputs.length === 1 && only) {
      if (this.canWait(only, i, value)) {
        this.pending.set(only, value);
        return;
      }
      // an identity gives its argument another name: none is needed
      const name = this.nameFor(step, only, i);
      this.names.set(only, name);
      this.statements.push({ targets: [name], value });
      return;
    }
    const chosen = new Set<string>();
    const targets = outputs.map((v) => {
      const name = v ? this.nameFor(step, v, i, chosen) : "_";
      chosen.add(name);
      return name;
    });
    for (const [k, v] of outputs.entries()) if (v) this.names.set(v, targets[k] as string);
    this.statements.push({ targets, value });
  }

  private expression(step: Step, args: readonly Expr[]): Expr {
    if (step.kind === "level")
      return call(access(this.level, { level: must(step.level.parent, "level around"), part: step.level.part }), ...args);
    if (step.holder) return call(access(this.level, step.holder), ...args);
    return functionOf(step.node, step.label, args);
  }

  /** Read once, by the next step or as the result, and short enough to stand there. */
  private canWait(value: Value, i: number, e: Expr): boolean {
    if (this.uses.get(value) !== 1) return false;
    const last = i === this.level.steps.length - 1;
    if (last) return true;
    const next = this.level.steps[i + 1] as Step;
    if (!inputsOf(next).includes(value)) return false;
    // a line ends with an activation, a pool or a block, unless what follows only joins branches
    const step = this.level.steps[i] as Step;
    const joins = next.kind === "layer" && next.node.inputs.length > 1;
    if (!joins && (step.kind === "level" || !CARRIED.has(step.node.op))) return false;
    // two texts in one expression may not both be long, and a result that is several values is taken apart by itself
    return depth(e) < MAX_DEPTH && flatText(e).length + closing(next) <= MAX_CHAIN;
  }

  private nameFor(step: Step, value: Value, i: number, chosen: ReadonlySet<string> = new Set()): string {
    const busy = new Set(chosen);
    for (const [v, name] of this.names) if ((this.lastUse.get(v) ?? -1) > i) busy.add(name);
    for (const e of this.pending.values()) for (const word of flatText(e).match(/[A-Za-z_]\w*/g) ?? []) busy.add(word);
    const label = step.kind === "layer" ? nameOfLayer(step) : step.level.part;
    const wanted = [step.branch ?? "x", /^\d/.test(label) ? (step.branch ?? "y") : label];
    // of several results the last is what a level gives; the others are known by their own names
    const own = value.name.split(".").at(-1) as string;
    if (step.kind === "level" && value !== step.outputs.at(-1)) wanted.unshift(/^[A-Za-z]/.test(own) ? own : `${label}_${own}`);
    for (const candidate of wanted) {
      const name = pythonName(candidate, new Set());
      if (!busy.has(name)) return name;
    }
    return pythonName(wanted.at(-1) as string, busy);
  }
}

const nameOfLayer = ({ node, label }: LayerStep): string => (/^[A-Za-z]/.test(label) ? label : node.op);
const flatText = (e: Expr): string => print(e, () => "0", 0, Number.POSITIVE_INFINITY);
/** About how much the next call adds around its argument. */
const closing = (step: Step): number => (step.kind === "level" ? step.level.part.length + 8 : step.label.length + 12);

export function forwardOf(level: Level): Forward {
  invariant(!level.inline, `${level.path} is no module`);
  return new Writer(level).run();
}

/** Equal for modules that compute the same but for numbers. */
export const forwardShape = (f: Forward): string =>
  JSON.stringify([f.inputs, f.statements.map((s) => [s.targets, shapeOf(s.value)]), f.results.map(shapeOf)]);
