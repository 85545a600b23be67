/** What `sec ls` prints: every place of an expanded net, or what a selector matches (cli.md sections 4 and 5). */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { Dim } from "../ir/type.ts";
import type { Selector } from "../syntax/ast.ts";
import { evaluate } from "./evaluate.ts";
import { matchSelector } from "./match-selector.ts";
import { uniquePaths } from "./paths.ts";
import { hasBody, isNode, type NetTree, type TreeNode, typeName, walk } from "./tree.ts";

export interface Place {
  /** "layer1.0.@residual.main"; no two places share one. */
  readonly path: string;
  readonly kind: TreeNode["kind"] | "group" | "block" | "net";
  /** What `@type` matches; empty for branches. */
  readonly type: string;
  /** Of the place's own result; empty when it could not be worked out. */
  readonly shape: readonly Dim[];
  /** Names of what is inside, in order: "conv1 bn1 relu conv2 ... se". */
  readonly contents: string;
}

/** In tree order. Undefined when the selector is wrong, which was reported; no match is an empty list. */
export function listPlaces(tree: NetTree, selector: Selector | undefined, diagnostics: Diagnostics): Place[] | undefined {
  const report = diagnostics.report.bind(diagnostics);
  const nodes = selector
    ? matchSelector(tree.root, selector, {
        report,
        evaluate: (e) => evaluate(e, { scope: tree.scope, arriving: null, here: null, report }),
      })
    : allNodes(tree);
  const paths = uniquePaths(tree.root);
  return nodes?.map((node) => ({
    path: paths.get(node) ?? "",
    kind: node.kind === "level" ? node.level : node.kind,
    type: typeName(node) ?? "",
    shape: node.out?.shape ?? [],
    contents: contentsOf(node).join(" "),
  }));
}

function allNodes(tree: NetTree): TreeNode[] {
  const nodes: TreeNode[] = [];
  walk(tree.root, (node) => {
    if (node !== tree.root) nodes.push(node);
  });
  return nodes;
}

/** Labels where there are some, else types; what was inserted at the ends of a branch is in it. */
function contentsOf(node: TreeNode): string[] {
  const names = (n: TreeNode): string[] => [...n.before.flatMap(names), nameOf(n), ...n.after.flatMap(names)];
  const around = (list: readonly TreeNode[]): string[] => list.filter((n) => n.parent === node).flatMap(names);
  if (node.kind === "merge") return [...around(node.before), ...node.branches.map((b) => b.name), ...around(node.after)];
  if (!hasBody(node)) return [];
  const inside = node.items.flatMap((item) => {
    if (isNode(item)) return names(item);
    return item.kind === "from" ? [`from ${item.text}`] : [`${item.kind} ${item.name}`];
  });
  return [...around(node.before), ...inside, ...around(node.after)];
}

const nameOf = (node: TreeNode): string => node.label ?? typeName(node) ?? node.part;
