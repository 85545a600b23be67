/** `from path` and `shared("path")`: finding the earlier value or part that is meant (language.md section 7). */
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { Span } from "../source.ts";
import type { Path, PathPart } from "../syntax/ast.ts";
import { type Context, type Names, report } from "./expand-context.ts";
import { hasBody, isNode, isSilent, type JumpTarget, type LevelNode, levelAround, pathOf, type TreeNode } from "./tree.ts";

const partText = (part: PathPart): string => (part.kind === "number" ? String(part.value) : part.text);

/** The child of a level by its label or number; looks through what is silent. Numbers inside branches have no name from outside. */
export function childNamed(level: TreeNode, part: string): TreeNode | undefined {
  const direct = hasBody(level) && !isSilent(level);
  const search = (node: TreeNode, numbers: boolean): TreeNode | undefined => {
    const inside = node.kind === "merge" ? node.branches : hasBody(node) ? node.items.filter(isNode) : [];
    for (const child of inside) {
      if (child.label === part) return child;
      const around = [...child.before, ...child.after].find((n) => n.label === part);
      if (around) return around;
      if (numbers && child.label === undefined && !isSilent(child) && child.part === part) return child;
      if (isSilent(child)) {
        const found = search(child, false);
        if (found) return found;
      }
    }
    return undefined;
  };
  return search(level, direct);
}

/** Goes down from `node` by parts; outputs of nets count in `from`. */
function descend(node: TreeNode, parts: readonly string[]): JumpTarget | { readonly missing: string; readonly at: TreeNode } {
  let at = node;
  for (const [i, part] of parts.entries()) {
    const child = childNamed(at, part);
    if (child) {
      at = child;
      continue;
    }
    if (at.kind === "level" && at.level === "net" && i === parts.length - 1) {
      const item = at.items.find((x) => x.kind === "output" && x.name === part);
      if (item?.kind === "output") return { kind: "output", item, net: at };
    }
    return { missing: part, at };
  }
  return { kind: "node", node: at };
}

const childLabels = (node: TreeNode): string[] => {
  const labels: string[] = [];
  const collect = (n: TreeNode): void => {
    const inside = n.kind === "merge" ? n.branches : hasBody(n) ? n.items.filter(isNode) : [];
    for (const child of inside) {
      if (isSilent(child)) collect(child);
      else labels.push(child.part);
    }
  };
  collect(node);
  return labels;
};

/** What the path names, or undefined after SE117. `written` is how the user put it: "from x", `shared("x")`. */
export function resolvePath(cx: Context, names: Names, parts: readonly string[], written: string, place: Span): JumpTarget | undefined {
  const [first = "", ...rest] = parts;
  if (first === "in" && rest.length === 0) {
    const owner = cx.owner;
    if (owner.level === "block") return { kind: "entry", level: owner };
    const inputs = owner.items.filter((i) => i.kind === "input");
    if (inputs.length === 1 && inputs[0]?.kind === "input") return { kind: "input", item: inputs[0] };
    report(cx, messages.SE117.arriving({ what: written }), place);
    return undefined;
  }
  const known: string[] = [];
  for (let level: Names | undefined = names; level; level = level.outer) {
    const input = level.inputs.get(first);
    if (input && rest.length === 0) return { kind: "input", item: input };
    const found = level.labels.get(first);
    if (found) {
      // parts of an unfinished level may be finished: `from tower.conv1` inside `tower`
      const target = descend(found.node, rest);
      if ("missing" in target) {
        const near = nearest(target.missing, childLabels(target.at));
        const message = messages.SE117.inside({ what: written, path: `\`${pathOf(target.at)}\``, name: target.missing });
        report(cx, message, place, near === undefined ? {} : { help: `did you mean \`${near}\`?` });
        return undefined;
      }
      if (!found.done && (target.kind !== "node" || !isFinished(target.node, names))) {
        report(cx, messages.SE117.unfinished({ what: written, name: parts.join(".") }), place);
        return undefined;
      }
      return target;
    }
    known.push(...level.labels.keys(), ...level.inputs.keys());
  }
  if (branchAround(names, first)) {
    report(cx, messages.SE117.branch({ what: written, name: first }), place);
    return undefined;
  }
  const near = nearest(first, known);
  const help = near !== undefined ? `did you mean \`${near}\`?` : known.length > 0 ? `there is ${known.slice(0, 8).join(", ")}` : undefined;
  report(cx, messages.SE117.unknown({ what: written, name: first }), place, help === undefined ? {} : { help });
  return undefined;
}

function branchAround(names: Names, name: string): boolean {
  for (let level: Names | undefined = names; level; level = level.outer) if (level.branches.has(name)) return true;
  return false;
}

/** A node is unfinished while its level is one of those being expanded. */
function isFinished(node: TreeNode, names: Names): boolean {
  for (let level: Names | undefined = names; level; level = level.outer) {
    if (level.node === node) return false;
    for (const named of level.labels.values()) if (named.node === node) return named.done;
  }
  return true;
}

export function resolveFrom(cx: Context, names: Names, path: Path): JumpTarget | undefined {
  const parts = path.parts.map(partText);
  if (path.parts[0]?.kind === "number" && !names.labels.has(parts[0] ?? "")) {
    report(cx, messages.SE117.number({ what: `from ${parts.join(".")}` }), path.span);
    return undefined;
  }
  return resolvePath(cx, names, parts, `from ${parts.join(".")}`, path.span);
}

/** Parts of a path given as a string: `shared("tower.conv1")`. */
export const splitPath = (text: string): string[] => text.split(".").map((p) => p.trim().replace(/^"(.*)"$/, "$1"));

/** The part `shared` names, or undefined after SE117. */
export function resolveShared(cx: Context, names: Names, of: string, place: Span): TreeNode | undefined {
  const written = `shared("${of}")`;
  const target = resolvePath(cx, names, splitPath(of), written, place);
  if (!target) return undefined;
  if (target.kind !== "node") {
    const kind = target.kind === "input" || target.kind === "entry" ? "an input" : "an output";
    report(cx, messages.SE117.value({ what: written, kind }), place);
    return undefined;
  }
  if (readsOutside(target.node)) {
    report(cx, messages.SE117.outside({ what: written }), place);
    return undefined;
  }
  return target.node;
}

/** True if something inside jumps to a value that is made outside of `root`. */
export function readsOutside(root: TreeNode): boolean {
  const within = (node: TreeNode): boolean => {
    for (let at = node.parent; at; at = at.parent) if (at === root) return true;
    return false;
  };
  const search = (node: TreeNode): boolean => {
    if (node.kind === "merge") return node.branches.some(search);
    if (!hasBody(node)) return false;
    return node.items.some((item) => {
      if (item.kind === "from") return !jumpStays(item.target, within, root);
      return isNode(item) && [...item.before, item, ...item.after].some(search);
    });
  };
  return search(root);
}

function jumpStays(target: JumpTarget, within: (node: TreeNode) => boolean, root: TreeNode): boolean {
  switch (target.kind) {
    case "node":
      return within(target.node);
    case "output":
      return within(target.net);
    case "entry":
      return target.level === root || within(target.level);
    case "input":
      // a net inside has its own input item among its items
      return netsInside(root).some((net) => net.items.includes(target.item));
  }
}

function netsInside(root: TreeNode): LevelNode[] {
  const nets: LevelNode[] = [];
  const search = (node: TreeNode): void => {
    if (node.kind === "level" && node.level === "net") nets.push(node);
    if (node.kind === "merge") for (const b of node.branches) search(b);
    else if (hasBody(node)) for (const item of node.items) if (isNode(item)) search(item);
  };
  search(root);
  return nets;
}

/** Where a name is taken: "`layer1.0`", "the net"; in a block "the block `unit`", the same for all its calls. */
export function levelIn(cx: Context, node: TreeNode): string {
  const level = levelAround(node);
  if (!cx.frame) return pathOf(level) === "" ? "the net" : `\`${pathOf(level)}\``;
  const owner = `the ${cx.frame.kind} \`${cx.frame.name}\``;
  const parts: string[] = [];
  for (let at: TreeNode | undefined = level; at && at !== cx.owner; at = at.parent) if (!isSilent(at)) parts.unshift(at.part);
  return parts.length === 0 ? owner : `\`${parts.join(".")}\` of ${owner}`;
}
