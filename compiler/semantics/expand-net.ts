/** Expands a net with everything in it: its body, or its base with its edits (language.md sections 8 and 9). */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { ImportOnnx } from "../import/onnx.ts";
import type { TensorType } from "../ir/type.ts";
import type { Edit, NetDef, NetForm } from "../syntax/ast.ts";
import { applyEdits } from "./apply-edits.ts";
import { checkUses } from "./check-uses.ts";
import { bindArguments, paramSignature } from "./expand-arguments.ts";
import { expandStatements } from "./expand-body.ts";
import { bindParams } from "./expand-call.ts";
import { type Context, enter, envOf, type Flow, type Frame, namesOf, type Place, report } from "./expand-context.ts";
import { expandMachine } from "./expand-place.ts";
import { giveTensors, openModel } from "./from-model.ts";
import { finishInsertions } from "./preserve.ts";
import type { Definition, SpecValue } from "./scope.ts";
import type { LevelNode, NetTree, OutputItem } from "./tree.ts";
import type { Workspace } from "./workspace.ts";

export interface ExpandOptions {
  /** Sizes that replace the declared ones, by input. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Told how many places every edit applies to. */
  readonly onMatches?: (edit: Edit, count: number) => void;
  /** Reads model files; needed where the workspace `readsModels`. */
  readonly importOnnx?: ImportOnnx | undefined;
}

/** The expanded net with its edits applied and all shapes known; undefined after errors, which are reported. */
export function expandNet(workspace: Workspace, name: string, diagnostics: Diagnostics, options: ExpandOptions = {}): NetTree | undefined {
  const definition = workspace.visible(name);
  const def = definition?.def;
  if (!definition || def?.kind !== "net") {
    const near = nearest(name, workspace.declared);
    if (def) diagnostics.report(messages.SE102.block({ name }));
    else diagnostics.report(messages.SE102.net({ name }), undefined, near === undefined ? {} : { help: `did you mean \`${near}\`?` });
    return undefined;
  }
  const errors = diagnostics.errors;
  const params = new Map<string, SpecValue | undefined>();
  const scope = { home: definition.home, params, inputs: new Map<string, TensorType | undefined>() };
  const root: LevelNode = {
    kind: "level",
    level: "net",
    type: name,
    items: [],
    args: params,
    parent: undefined,
    label: undefined,
    part: "",
    origin: { span: def.span, via: [] },
    nameSpan: def.name.span,
    before: [],
    after: [],
    in: undefined,
    out: undefined,
  };
  const cx: Context = {
    knot: { statements: expandStatements, netInside },
    diagnostics,
    tree: { count: { nodes: 0 }, broken: false, onMatches: options.onMatches },
    scope,
    arriving: null,
    feed: "alone",
    shapes: options.shapes ?? {},
    importOnnx: options.importOnnx,
    owner: root,
    frame: undefined,
    entered: { def, outer: undefined, depth: 1 },
    via: [],
  };
  const missing = def.params.filter((p) => !p.default).map((p) => p.name.text);
  if (missing.length > 0) {
    const { text } = paramSignature(name, def.params);
    report(cx, messages.SE110.missing({ name, arg: missing.join("` and `") }), def.name.span, { notes: [`its signature is ${text}`] });
    return undefined;
  }
  bindParams(cx, def.params, new Map(), params, null);
  root.out = netInside(cx, { def, home: definition.home }, root, null) ?? undefined;
  root.source = { def, scope, given: new Map(), call: undefined };
  const tree = treeOf(cx, name, root);
  if (!tree.broken) checkUses(tree, diagnostics);
  if (!tree.broken && diagnostics.errors === errors) finishInsertions(tree, diagnostics);
  return tree.broken || diagnostics.errors > errors ? undefined : tree;
}

const treeOf = (cx: Context, name: string, root: LevelNode): NetTree => ({
  name,
  root,
  scope: cx.scope,
  count: cx.tree.count,
  onMatches: cx.tree.onMatches,
  machine: expandMachine(cx),
  broken: cx.tree.broken,
});

/** Fills `level` with the net's insides and gives the type of its last output. */
function netInside(cx: Context, { def, home }: Definition & { readonly def: NetDef }, level: LevelNode, flow: Flow): Flow {
  switch (def.form.kind) {
    case "body":
      return netBody(cx, def, def.form, level);
    case "derived":
      return derived(cx, { def, home }, def.form, level, flow);
    case "onnx":
      return fromModel(cx, { def, home }, def.form, level, flow);
  }
}

function netBody(cx: Context, def: NetDef, form: NetForm & { kind: "body" }, level: LevelNode): Flow {
  const place: Place = { container: level, names: namesOf(level, undefined), counter: { counted: 0 }, branch: undefined };
  expandStatements(cx, form.body, place, null);
  const isLost = (word: string): boolean => form.body.gaps?.some((gap) => gap.word === word) ?? false;
  const { inputs } = place.names;
  const name = def.name.text;
  if (inputs.size === 0 && !isLost("input")) report(cx, messages.SE119.noinput({ name }), def.name.span);
  else if (cx.feed !== "alone" && inputs.size > 1 && cx.frame) {
    report({ ...cx, frame: cx.frame.outer }, messages.SE118.inputs({ name: level.type, count: inputs.size }), cx.frame.at);
  }
  const outputs = level.items.filter((item): item is OutputItem => item.kind === "output");
  if (outputs.length === 0 && !isLost("output")) report(cx, messages.SE119.nooutput({ name }), def.name.span);
  return outputs[outputs.length - 1]?.type;
}

/** The layers of a model file, as the text that `sec import` would write of them, then the edits. */
function fromModel(cx: Context, { def, home }: Definition, form: NetForm & { kind: "onnx" }, level: LevelNode, flow: Flow): Flow {
  const model = openModel(cx, form.path, home, level.type);
  if (!model) return undefined;
  const scope = { home: model.home, params: new Map<string, SpecValue | undefined>(), inputs: new Map<string, TensorType | undefined>() };
  const value = netInside({ ...cx, scope, arriving: null }, { def: model.def, home: model.home }, level, flow);
  if (!cx.tree.broken) giveTensors(level, model);
  return edited(cx, def.name.text, form.edits, form.path.value, level, value);
}

/** Applies the edits of a net to its base, and gives the type of its last output. */
function edited(cx: Context, name: string, edits: readonly Edit[], base: string, level: LevelNode, value: Flow): Flow {
  if (edits.length === 0 || cx.tree.broken) return value;
  const tree = treeOf(cx, name, level);
  applyEdits(tree, edits, cx.scope, cx.diagnostics, base);
  if (tree.broken) cx.tree.broken = true;
  const outputs = level.items.filter((item): item is OutputItem => item.kind === "output");
  return outputs[outputs.length - 1]?.type;
}

/** The base, expanded with its own arguments, then the edits, each on the result of those before it. */
function derived(cx: Context, { def, home }: Definition, form: NetForm & { kind: "derived" }, level: LevelNode, flow: Flow): Flow {
  const { base } = form;
  const found = home.definitions.get(base.name.text);
  if (found?.def.kind !== "net") {
    // resolve-names.ts has reported it
    cx.tree.broken = true;
    return undefined;
  }
  const given = bindArguments(paramSignature(base.name.text, found.def.params), base.args, base.name.span, envOf(cx, null));
  const entered = given && enter(cx, found.def, base.name.span);
  if (!given || !entered) return undefined;
  const params = new Map<string, SpecValue | undefined>();
  // without arguments the base is what it is by itself, and its mistakes are its own
  const frame: Frame | undefined =
    base.args.length === 0
      ? cx.frame
      : { kind: "net", name: base.name.text, home: found.home, call: base.span, at: base.name.span, given, outer: cx.frame };
  const inner: Context = { ...cx, entered, frame, scope: { home: found.home, params, inputs: new Map() }, arriving: null };
  bindParams(inner, found.def.params, given, params, null);
  const value = netInside(inner, { def: found.def, home: found.home }, level, flow);
  return edited(cx, def.name.text, form.edits, base.name.text, level, value);
}
