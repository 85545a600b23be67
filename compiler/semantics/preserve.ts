/**
 * `init preserve` (language.md section 10): shows for every place that the net computes, bit for bit, what it computed before
 * the insertion, and marks the layers that start at zero and the tensors that take the factor; or refuses with SE404.
 * Works on the finished tree, after the last edit, so that it judges what will run. Step 1 is preserve-block.ts, step 2
 * preserve-absorb.ts.
 */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { must } from "../invariant.ts";
import type { InsertEdit } from "../syntax/ast.ts";
import { type Absorber, absorbBackward, absorbForward, isUsableFactor } from "./preserve-absorb.ts";
import { proveBlock } from "./preserve-block.ts";
import { type Flow, flowOf, type Region } from "./preserve-flow.ts";
import { type InsertMark, type LayerNode, type NetTree, pathOf, type TreeNode, walk } from "./tree.ts";

interface Refusal {
  readonly region: Region;
  readonly reason: string;
  /** What was tried, one sentence each. */
  readonly tried: readonly string[];
}

/** Inserted calls that follow one another directly: one block with the product of their factors. */
interface Chain {
  readonly regions: readonly Region[];
}

interface Proof {
  readonly chain: Chain;
  readonly zeroed: readonly LayerNode[];
  readonly factor: number;
  readonly absorbers: readonly Absorber[];
}

/**
 * Gives every insertion its final group number and proves every `init preserve`. Call it once, when the last edit of the
 * outermost net is applied and the tree has no errors. Reports SE404; then no mark is set.
 */
export function finishInsertions(tree: NetTree, diagnostics: Diagnostics): void {
  const inserted: TreeNode[] = [];
  walk(tree.root, (node) => {
    if (node.inserted) inserted.push(node);
    if (node.kind === "layer") {
      delete node.zeroed;
      delete node.preserve;
    }
  });
  if (inserted.length === 0) return;
  numberGroups(inserted);
  if (!inserted.some((n) => n.inserted?.policy === "preserve")) return;

  const flow = flowOf(tree.root);
  const proofs: Proof[] = [];
  const refusals: Refusal[] = [];
  for (const chain of chainsOf(flow)) {
    const proof = proveChain(flow, chain);
    if ("reason" in proof)
      refusals.push(...chain.regions.map((region) => ({ region, reason: reasonFor(proof, region), tried: proof.tried ?? [] })));
    else proofs.push(proof);
  }
  if (refusals.length > 0) report(flow, inserted, refusals, diagnostics);
  else apply(inserted, proofs);
}

/** Groups in tree order; the places of one edit share their mark, so they share the group. */
function numberGroups(inserted: readonly TreeNode[]): void {
  const numbers = new Map<InsertMark, InsertMark>();
  for (const node of inserted) {
    const mark = must(node.inserted, "mark");
    let renumbered = numbers.get(mark);
    if (!renumbered) {
      renumbered = { ...mark, group: numbers.size };
      numbers.set(mark, renumbered);
    }
    node.inserted = renumbered;
  }
}

// ---- chains ------------------------------------------------------------------------------------------------------------

function chainsOf(flow: Flow): Chain[] {
  const regions = flow.regions.filter((r) => r.node.inserted?.policy === "preserve");
  const byEntry = new Map<number, Region[]>();
  for (const region of regions) byEntry.set(region.entry.id, [...(byEntry.get(region.entry.id) ?? []), region]);
  const next = new Map<Region, Region>();
  const hasPrevious = new Set<Region>();
  for (const region of regions) {
    // the outermost one that starts where this one ends, is the only reader of its result, and does not contain it
    const followers = (byEntry.get(region.result.id) ?? []).filter(
      (r) => r.start >= region.end && region.result.outputs === 0 && region.result.readers.every((s) => s.id >= r.start && s.id < r.end),
    );
    const follower = followers.sort((a, b) => b.end - a.end)[0];
    if (!follower || hasPrevious.has(follower)) continue;
    next.set(region, follower);
    hasPrevious.add(follower);
  }
  const chains: Chain[] = [];
  for (const head of regions) {
    if (hasPrevious.has(head)) continue;
    const chain: Region[] = [];
    for (let at: Region | undefined = head; at; at = next.get(at)) chain.push(at);
    chains.push({ regions: chain });
  }
  return chains;
}

interface ChainRefusal {
  readonly reason: string;
  readonly tried?: readonly string[];
  /** The one region at fault; absent when it is the chain's surroundings. */
  readonly region?: Region;
}

const reasonFor = (refusal: ChainRefusal, region: Region): string =>
  refusal.region === undefined || refusal.region === region
    ? refusal.reason
    : `it is taken as one block with ${pathOf(refusal.region.node)}: ${refusal.reason}`;

function proveChain(flow: Flow, chain: Chain): Proof | ChainRefusal {
  let k = 1;
  const zeroed: LayerNode[] = [];
  for (const region of chain.regions) {
    if (flow.insertions.get(region.node) !== 1) return { region, reason: "it lies in a part that `shared` applies more than once" };
    const block = proveBlock(flow, region);
    if (!block.ok) return { region, reason: block.reason };
    k *= block.k;
    zeroed.push(...block.zeroed);
  }
  if (k > 1) return { reason: `the block's result is ${k} times its input` };
  if (k === 1) return { chain, zeroed, factor: 1, absorbers: [] };
  const factor = 1 / k;
  if (!isUsableFactor(factor)) return { reason: `the factor ${factor} is too large` };
  const first = must(chain.regions[0], "first of a chain");
  const last = must(chain.regions.at(-1), "last of a chain");
  const backward = absorbBackward(flow, first.entry, { start: first.start, end: last.end });
  if (backward.ok) return { chain, zeroed, factor, absorbers: backward.absorbers };
  const forward = absorbForward(flow, last.result);
  if (forward.ok) return { chain, zeroed, factor, absorbers: forward.absorbers };
  return { reason: `no layer can take the factor ${factor}`, tried: [`before it: ${backward.reason}`, `after it: ${forward.reason}`] };
}

// ---- marks -------------------------------------------------------------------------------------------------------------

/**
 * Sets the marks. Insertions that were taken together, or whose factors meet in one tensor, become one group: their tensors
 * come from a file all together or not at all, so a product of factors is right in both cases.
 */
function apply(inserted: readonly TreeNode[], proofs: readonly Proof[]): void {
  const parent = new Map<number, number>();
  const rootOf = (group: number): number => {
    let at = group;
    for (let up = parent.get(at); up !== undefined; up = parent.get(at)) at = up;
    return at;
  };
  const join = (a: number, b: number): void => {
    const [x, y] = [rootOf(a), rootOf(b)];
    if (x !== y) parent.set(Math.max(x, y), Math.min(x, y));
  };
  const groupOf = (proof: Proof): number => must(proof.chain.regions[0]?.node.inserted, "mark").group;

  const absorbedBy = new Map<LayerNode, number>();
  for (const proof of proofs) {
    for (const region of proof.chain.regions) join(groupOf(proof), must(region.node.inserted, "mark").group);
    for (const { layer } of proof.absorbers) {
      const other = absorbedBy.get(layer);
      if (other === undefined) absorbedBy.set(layer, groupOf(proof));
      else join(other, groupOf(proof));
    }
  }

  for (const node of inserted) {
    const mark = must(node.inserted, "mark");
    const group = rootOf(mark.group);
    if (group !== mark.group) node.inserted = { ...mark, group };
  }
  for (const proof of proofs) {
    for (const layer of proof.zeroed) layer.zeroed = true;
    for (const { layer, tensors } of proof.absorbers) {
      const marks = new Map(layer.preserve);
      for (const name of tensors) marks.set(name, { factor: proof.factor * (marks.get(name)?.factor ?? 1), group: rootOf(groupOf(proof)) });
      layer.preserve = marks;
    }
  }
}

// ---- SE404 -------------------------------------------------------------------------------------------------------------

function report(flow: Flow, inserted: readonly TreeNode[], refusals: readonly Refusal[], diagnostics: Diagnostics): void {
  const byEdit = new Map<InsertEdit | undefined, Refusal[]>();
  for (const refusal of refusals) {
    const edit = refusal.region.node.inserted?.edit;
    byEdit.set(edit, [...(byEdit.get(edit) ?? []), refusal]);
  }
  for (const [edit, list] of byEdit) {
    const places = new Map<TreeNode, Refusal>();
    for (const refusal of list) if (!places.has(refusal.region.node)) places.set(refusal.region.node, refusal);
    const refused = [...places.values()];
    const first = must(refused[0], "refusal");
    const total = inserted.filter((n) => n.inserted?.edit === edit).length;
    const at = edit?.init?.span ?? edit?.span;
    const help = otherPlace(flow, refused);
    if (refused.length === 1) {
      diagnostics.report(messages.SE404.one({ place: pathOf(first.region.node), reason: first.reason }), at, { notes: first.tried, help });
      continue;
    }
    const notes = refused.map((r) => `${pathOf(r.region.node)}: ${[r.reason, ...r.tried].join("; ")}`);
    diagnostics.report(messages.SE404.many({ count: refused.length, total }), at, { notes, help });
  }
}

/** A place that was tried and works for every refused one, or the policy that promises nothing. */
function otherPlace(flow: Flow, refused: readonly Refusal[]): string {
  const fallback = "`init default` starts it like any other layer and promises nothing";
  // when the block itself is at fault no place helps
  if (!refused.every((r) => proveBlock(flow, r.region).ok)) return fallback;
  const words = new Set<string>();
  for (const { region } of refused) {
    const merge = nearestResidual(region);
    const exit = merge?.inputs[0];
    const node = merge?.node;
    if (!merge || !exit || node?.kind !== "merge") return fallback;
    if (!absorbBackward(flow, exit, { start: merge.id, end: merge.id + 1 }).ok) return fallback;
    words.add(`\`after @${node.word}.${node.branches[0]?.name ?? "main"}\``);
  }
  return words.size === 1 ? `${[...words][0]} works for all of them; or use \`init default\`` : fallback;
}

/** The residual whose sum reaches the place through layers with one input and without leaving the block around it. */
function nearestResidual(region: Region): Flow["steps"][number] | undefined {
  let at = region.entry;
  while (at.what !== "residual") {
    const [input] = at.inputs;
    if (at.inputs.length !== 1 || !input) return undefined;
    at = input;
  }
  return at;
}
