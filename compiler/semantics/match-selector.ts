/**
 * Which places of an expanded net a selector means (language.md section 9.1).
 * One walk over the tree carries, as in a regular expression, the numbers of segments matched so far; so the time is
 * that of the tree, whatever `**` or `@type` say.
 */
import type { Extra, Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { TensorType } from "../ir/type.ts";
import type { Span } from "../source.ts";
import type { Expr, PathPart, Predicate, RelationalOperator, Segment, Selector } from "../syntax/ast.ts";
import { matchesGlob } from "./match-glob.ts";
import { children, isSilent, type LevelNode, type SpecValue, type TreeNode, typeName } from "./tree.ts";

export interface SelectorContext {
  readonly report: (message: Message, place: Span, extra?: Extra) => void;
  /** The value of a predicate's right side; undefined when its error was reported. */
  readonly evaluate: (expr: Expr) => SpecValue | undefined;
}

interface CompiledPredicate {
  readonly source: Predicate;
  readonly value: SpecValue;
  /** Places where the rest of the segment matched, and whether any of them had the key. */
  readonly candidates: TreeNode[];
  known: boolean;
}

interface CompiledSegment {
  readonly source: Segment;
  readonly predicates: readonly CompiledPredicate[];
}

/**
 * The matches in tree order, each once. Undefined when the selector itself is wrong (a predicate that cannot be
 * evaluated, SE308), which was reported; an empty list is for the caller to report.
 */
export function matchSelector(root: LevelNode, selector: Selector, context: SelectorContext): TreeNode[] | undefined {
  const segments: CompiledSegment[] = [];
  for (const source of selector.segments) {
    const predicates: CompiledPredicate[] = [];
    for (const predicate of source.predicates) {
      const value = context.evaluate(predicate.value);
      if (value === undefined) return undefined;
      predicates.push({ source: predicate, value, candidates: [], known: false });
    }
    segments.push({ source, predicates });
  }
  const matches = findMatches(root, segments);
  let wrong = false;
  for (const { source, predicates } of segments) {
    for (const predicate of predicates) {
      if (predicate.known || predicate.candidates.length === 0) continue;
      wrong = true;
      reportUnknownKey(source, predicate, context.report);
    }
  }
  return wrong ? undefined : matches;
}

// ---- the walk ----------------------------------------------------------------------------------------------------------

/** How many segments are used up: by the parent itself (`direct`), or earlier with only silent nodes since (`open`). */
interface States {
  readonly direct: readonly number[];
  readonly open: readonly number[];
}

function findMatches(root: LevelNode, segments: readonly CompiledSegment[]): TreeNode[] {
  const end = segments.length;
  const first = segments[0]?.source.atoms.kind;
  const found: TreeNode[] = [];

  /** `**` may stand for no level at all. */
  const close = (states: number[]): number[] => {
    for (let k = 0; k < states.length; k++) {
      const at = states[k] as number;
      if (segments[at]?.source.atoms.kind === "deep" && !states.includes(at + 1)) states.push(at + 1);
    }
    return states;
  };

  const enter = (node: TreeNode, { direct, open }: States): States => {
    const nextDirect: number[] = [];
    const nextOpen: number[] = [];
    const add = (list: number[], state: number): void => {
      if (!list.includes(state)) list.push(state);
    };
    const silent = isSilent(node);
    const consider = (at: number, isDirect: boolean): void => {
      const segment = segments[at];
      if (!segment) return;
      if (silent) add(nextOpen, at);
      const { atoms } = segment.source;
      const afterBranchName = isDirect && segments[at - 1]?.source.atoms.kind === "parts";
      if (!matchesAtoms(node, atoms, afterBranchName) || !segment.predicates.every((p) => holds(node, p))) return;
      add(nextDirect, atoms.kind === "deep" ? at : at + 1);
    };
    for (const at of direct) consider(at, true);
    for (const at of open) if (!direct.includes(at)) consider(at, false);
    // a first `@type` may start anywhere
    if (first === "types") add(nextOpen, 0);
    // and so may the name that a model file gives a node
    const [head] = segments;
    if (head && namedByFile(node, head.source.atoms) && head.predicates.every((p) => holds(node, p))) add(nextDirect, 1);
    return { direct: close(nextDirect), open: nextOpen };
  };

  const visit = (node: TreeNode, around: States): void => {
    const inside = enter(node, around);
    // what was inserted at the ends of a branch or inside a merge lies in it; around anything else it is a sibling
    const beside = (n: TreeNode): States => (n.parent === node ? inside : around);
    for (const n of node.before) visit(n, beside(n));
    if (inside.direct.includes(end)) found.push(node);
    if (inside.direct.length > 0 || inside.open.length > 0 || first === "parts") for (const n of children(node)) visit(n, inside);
    for (const n of node.after) visit(n, beside(n));
  };

  const start: States = { direct: [], open: close([0]) };
  for (const node of children(root)) visit(node, start);
  return found;
}

function matchesAtoms(node: TreeNode, atoms: Segment["atoms"], afterBranchName: boolean): boolean {
  switch (atoms.kind) {
    case "deep":
      return true;
    case "any":
      return !isSilent(node);
    case "types": {
      const type = typeName(node);
      return type !== undefined && atoms.names.some((n) => n.text === type);
    }
    case "parts":
      return atoms.parts.some((part) => matchesPart(node, part, afterBranchName));
    default:
      return atoms satisfies never;
  }
}

function matchesPart(node: TreeNode, part: PathPart, afterBranchName: boolean): boolean {
  switch (part.kind) {
    case "name":
      return node.kind === "branch" ? node.name === part.text : node.label === part.text;
    case "string":
      return node.label !== undefined && matchesGlob(node.label, part.text);
    case "number": {
      if (node.part !== String(part.value)) return false;
      // a label such as "0" is one of its level's names; the number of an unlabelled child of a branch only counts in the branch
      return node.label !== undefined || !isNumberedInBranch(node) || afterBranchName;
    }
    default:
      return part satisfies never;
  }
}

const namedByFile = ({ fileName }: TreeNode, atoms: Segment["atoms"]): boolean =>
  fileName !== undefined && atoms.kind === "parts" && atoms.parts.some((p) => p.kind === "string" && matchesGlob(fileName, p.text));

const isNumberedInBranch = (node: TreeNode): boolean => node.parent?.kind === "branch" || node.parent?.kind === "inline";

// ---- predicates --------------------------------------------------------------------------------------------------------

const SIZES: Readonly<Record<string, number>> = { c: 1, h: 2, w: 3 };

function sizeOf(type: TensorType | undefined, axis: string): number | undefined {
  const index = SIZES[axis];
  const size = index === undefined ? undefined : type?.shape[index];
  return typeof size === "number" ? size : undefined;
}

/** The argument or size a predicate names; undefined when the node has none of that name. */
export function keyValue(node: TreeNode, key: string, sub: string | undefined): SpecValue | undefined {
  if (sub !== undefined) return key === "in" ? sizeOf(node.in, sub) : undefined;
  if (Object.hasOwn(SIZES, key)) return sizeOf(node.out, key);
  switch (node.kind) {
    case "layer":
      if (node.call === "act" && key === "kind") return node.op === "identity" ? "none" : node.op;
      // a pool's stride is its kernel unless given
      if (key === "stride" && node.args.stride === undefined) return node.args.kernel as SpecValue | undefined;
      return Object.hasOwn(node.args, key) ? (node.args[key] as SpecValue | undefined) : undefined;
    case "level":
      return node.args.get(key);
    case "merge":
      return Object.hasOwn(node.args, key) ? (node.args[key] as SpecValue | undefined) : undefined;
    case "shared":
      return key === "of" ? node.of : undefined;
    default:
      return undefined;
  }
}

/** Every key a predicate may name on this node. */
export function predicateKeys(node: TreeNode): string[] {
  const keys: string[] = [];
  if (node.kind === "layer" || node.kind === "merge") keys.push(...Object.keys(node.args));
  else if (node.kind === "level") keys.push(...node.args.keys());
  else if (node.kind === "shared") keys.push("of");
  const rank = node.out?.shape.length ?? 0;
  return [...keys, ...(rank === 4 ? ["c", "h", "w"] : ["c"]), ...(node.in?.shape.length === 4 ? ["in.c", "in.h", "in.w"] : ["in.c"])];
}

function holds(node: TreeNode, predicate: CompiledPredicate): boolean {
  const { source, value } = predicate;
  const own = keyValue(node, source.key.text, source.sub?.text);
  predicate.candidates.push(node);
  if (own === undefined) return false;
  predicate.known = true;
  return compare(own, source.operator, value);
}

/** A list of equal numbers counts as that number: `[3, 3]` equals `3`. */
function asNumber(value: SpecValue): number | undefined {
  if (typeof value === "number") return value;
  if (!Array.isArray(value)) return undefined;
  const items = value as readonly SpecValue[];
  const head = items[0];
  return typeof head === "number" && items.every((v) => v === head) ? head : undefined;
}

function equal(a: SpecValue, b: SpecValue): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((v, i) => equal(v, (b as readonly SpecValue[])[i] as SpecValue));
  const x = asNumber(a);
  return x === undefined ? a === b : x === asNumber(b);
}

function compare(a: SpecValue, operator: RelationalOperator, b: SpecValue): boolean {
  if (operator === "==") return equal(a, b);
  if (operator === "!=") return !equal(a, b);
  const x = asNumber(a);
  const y = asNumber(b);
  if (x === undefined || y === undefined) return false;
  switch (operator) {
    case "<":
      return x < y;
    case "<=":
      return x <= y;
    case ">":
      return x > y;
    case ">=":
      return x >= y;
    default:
      return operator satisfies never;
  }
}

function reportUnknownKey(segment: Segment, { source, candidates }: CompiledPredicate, report: SelectorContext["report"]): void {
  const key = source.sub ? `${source.key.text}.${source.sub.text}` : source.key.text;
  const keys = [...new Set(candidates.flatMap(predicateKeys))];
  const near = nearest(key, keys);
  const types = [...new Set(candidates.map((n) => typeName(n) ?? "branch"))];
  const candidate =
    segment.atoms.kind === "types" ? segment.atoms.names.map((n) => n.text).join("` or `") : types.slice(0, 3).join("` or `");
  const at = source.sub ? { ...source.key.span, end: source.sub.span.end } : source.key.span;
  report(messages.SE308.key({ candidate, key }), at, {
    notes: [`there are ${keys.join(", ")}`],
    ...(near === undefined ? {} : { help: `did you mean \`${near}\`?` }),
  });
}
