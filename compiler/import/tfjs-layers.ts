/** Layers models: Keras topologies (Sequential, Functional, one inside another) walked in the order in which values are made. */
import { type Constant, type OnnxModel, Unreadable } from "./onnx-file.ts";
import { Refusal } from "./reading.ts";
import { checked, type KerasConfig, type KerasLayer, kerasConfig, kerasLayer } from "./tfjs-json.ts";
import { isKnownLayer, type KerasValue, readLayer } from "./tfjs-layer-kinds.ts";
import { type NodeList, nodeList, type Origin, put, putRefused } from "./tfjs-nodes.ts";
import { weightFinder } from "./tfjs-weight-names.ts";

/** Models inside models. */
const DEEPEST = 16;
/** Layers that calls of shared models may stand for. */
const MOST_CALLS = 100_000;

const MODELS: ReadonlySet<string> = new Set(["Sequential", "Functional", "Model"]);

interface Walk {
  readonly list: NodeList;
  readonly find: ReturnType<typeof weightFinder>;
  readonly inputs: { name: string; shape: readonly (number | undefined)[] }[];
  readonly isLast: boolean;
  readonly madeUp: Set<string>;
  calls: number;
}

interface Topology {
  readonly layers: readonly KerasLayer[];
  readonly config: KerasConfig;
  readonly isSequence: boolean;
}

export function layersModel(topology: KerasLayer, weights: ReadonlyMap<string, Constant>): OnnxModel {
  const model = topologyOf(topology, "modelTopology");
  const isLast = !saysChannelsFirst(model, 0);
  const w: Walk = { list: nodeList(), find: weightFinder(weights), inputs: [], isLast, madeUp: new Set(), calls: 0 };
  const results = model.isSequence ? sequence(w, model, undefined, "", 0) : functional(w, model, undefined, "", 0);
  const outputs = results.map(({ value, by }, i) => {
    const name = results.findIndex((r) => r.by === by) === i ? by : `${by}_${i}`;
    w.list.nodes.push({ name, op: "Identity", domain: "", inputs: [value], outputs: [name], attrs: new Map() });
    return name;
  });
  const { nodes, constants } = w.list;
  return { opset: 17, name: "", inputs: w.inputs, outputs, nodes, constants, channelsLast: isLast, madeUp: w.madeUp };
}

const nameOf = (layer: KerasLayer): string => {
  const { config } = layer;
  const own = typeof config === "object" && config !== null && "name" in config ? config.name : undefined;
  return layer.name ?? (typeof own === "string" && own !== "" ? own : layer.class_name);
};

function topologyOf(layer: KerasLayer, where: string): Topology {
  if (!MODELS.has(layer.class_name)) throw new Unreadable(`\`${where}\` is of the class ${layer.class_name}, not Sequential or Functional`);
  // the first versions wrote only the list
  const config = Array.isArray(layer.config) ? { layers: layer.config } : checked(kerasConfig, layer.config, `${where}.config`);
  const layers = checked(kerasLayer.array().min(1), config.layers, `${where}.config.layers`);
  return { layers, config, isSequence: layer.class_name === "Sequential" };
}

function saysChannelsFirst({ layers }: Topology, depth: number): boolean {
  return layers.some((layer) => {
    if (MODELS.has(layer.class_name)) return depth < DEEPEST && saysChannelsFirst(topologyOf(layer, nameOf(layer)), depth + 1);
    const { config } = layer;
    return (
      typeof config === "object" && config !== null && "data_format" in config && /^channels_?first$/i.test(String(config.data_format))
    );
  });
}

interface Result extends KerasValue {
  /** The layer that made it, as the file calls it. */
  readonly by: string;
}

function declare(w: Walk, name: string, config: KerasConfig): Result {
  const given = config.batch_input_shape ?? config.batch_shape;
  const list = Array.isArray(given) ? given : undefined;
  const shape = (list ?? []).map((d) => (typeof d === "number" && d > 0 ? d : undefined));
  if (!list) throw new Unreadable(`its input \`${name}\` has no shape`);
  if (w.inputs.some((i) => i.name === name)) throw new Unreadable(`it has two inputs \`${name}\``);
  w.inputs.push({ name, shape });
  return { value: name, rank: shape.length, by: name };
}

/** Layers one after the other; the first one may say what comes in. */
function sequence(w: Walk, { layers }: Topology, given: readonly KerasValue[] | undefined, scope: string, depth: number): Result[] {
  const place = placeOf(scope, layers);
  let current: readonly Result[] | undefined = given?.map((v) => ({ ...v, by: "" }));
  for (const layer of layers) {
    if (layer.class_name === "InputLayer") {
      current ??= [declare(w, nameOf(layer), configOf(layer))];
      continue;
    }
    if (!current && MODELS.has(layer.class_name)) {
      current = nested(w, layer, undefined, place, depth);
      continue;
    }
    current ??= [declare(w, `${nameOf(layer)}_input`, configOf(layer))];
    current = call(w, layer, current, place, depth);
  }
  return [...(current ?? [])];
}

const configOf = (layer: KerasLayer): KerasConfig => checked(kerasConfig, layer.config ?? {}, `${nameOf(layer)}.config`);

/** Where the layers of one model lie, and what they are called there. */
interface Place {
  readonly scope: string;
  readonly taken: ReadonlySet<string>;
}

const partsOf = (name: string): readonly string[] => name.split(/[/.]/).filter((part) => part !== "");

const placeOf = (scope: string, layers: readonly KerasLayer[]): Place => ({
  scope,
  taken: new Set(layers.map((layer) => partsOf(nameOf(layer)).join("."))),
});

/** "expand/BatchNorm" beside a layer "expand" is "expand_BatchNorm": a layer holds no others. */
function pathIn({ scope, taken }: Place, name: string): string {
  const parts = partsOf(name);
  const end = parts.findIndex((_, i) => i < parts.length - 1 && taken.has(parts.slice(0, i + 1).join(".")));
  const own = end < 0 ? parts : [...parts.slice(0, end), parts.slice(end).join("_")];
  return [...(scope === "" ? [] : [scope]), ...own].join(".");
}

function nested(w: Walk, layer: KerasLayer, inputs: readonly KerasValue[] | undefined, place: Place, depth: number): Result[] {
  if (depth >= DEEPEST) throw new Unreadable(`its models lie more than ${DEEPEST} deep in each other`);
  const model = topologyOf(layer, nameOf(layer));
  const inner = pathIn(place, nameOf(layer));
  const results = model.isSequence ? sequence(w, model, inputs, inner, depth + 1) : functional(w, model, inputs, inner, depth + 1);
  return inputs ? results.map((r) => ({ ...r, by: nameOf(layer) })) : results;
}

function call(w: Walk, layer: KerasLayer, inputs: readonly KerasValue[], place: Place, depth: number): Result[] {
  const name = nameOf(layer);
  if (++w.calls > MOST_CALLS) throw new Unreadable("its layers are called more often than a network has layers");
  if (MODELS.has(layer.class_name)) return nested(w, layer, inputs, place, depth);
  const origin: Origin = { source: { name, kind: layer.class_name }, path: pathIn(place, name) };
  if (isMadeUp(name, layer.class_name)) w.madeUp.add(origin.path);
  const values = inputs.map((i) => i.value);
  if (!isKnownLayer(layer.class_name)) return [{ value: putRefused(w.list, origin, values, ""), rank: undefined, by: name }];
  // what reads a layer without an equivalent is not wrong for that
  if (inputs.some((i) => i.rank === undefined)) return [{ value: put(w.list, origin, "Identity", values), rank: undefined, by: name }];
  const start = w.list.nodes.length;
  try {
    const { list, find, isLast } = w;
    const made = readLayer(layer.class_name, {
      list,
      origin,
      config: configOf(layer),
      inputs,
      isLast,
      tensor: (...asked) => find(name, ...asked),
    });
    return [{ ...made, by: name }];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    w.list.nodes.length = start;
    return [{ value: putRefused(w.list, origin, values, error.message), rank: undefined, by: name }];
  }
}

/** "re_lu", "re_lu_3" of Keras, "re_lu_ReLU3" of TensorFlow.js. */
function isMadeUp(name: string, kind: string): boolean {
  const snake = kind
    .replace(/(.)([A-Z][a-z0-9]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
  if (!name.startsWith(snake)) return false;
  const rest = name.slice(snake.length);
  return /^(?:_\d+)?$/.test(rest) || (rest.startsWith(`_${kind}`) && /^\d*$/.test(rest.slice(kind.length + 1)));
}

interface Call {
  readonly layer: KerasLayer;
  readonly inputs: readonly Reference[];
}
type Reference = readonly [layer: string, node: number, tensor: number];

/** Values of a Functional model, made in the order that their inputs ask for. */
function functional(
  w: Walk,
  { layers, config }: Topology,
  given: readonly KerasValue[] | undefined,
  scope: string,
  depth: number,
): Result[] {
  const made = new Map<string, readonly Result[]>();
  const calls = new Map<string, Call>();
  const place = placeOf(scope, layers);
  const key = (name: string, node: number): string => JSON.stringify([name, node]);
  const inputs = references(config.input_layers, "input_layers");
  const byName = new Map<string, KerasLayer>();
  for (const layer of layers) {
    const name = nameOf(layer);
    if (byName.has(name)) throw new Unreadable(`it has two layers \`${name}\``);
    byName.set(name, layer);
    (layer.inbound_nodes ?? []).forEach((node, i) => {
      calls.set(key(name, i), { layer, inputs: sourcesOf(node, name) });
    });
  }
  if (given && given.length !== inputs.length)
    throw new Unreadable(`a model in it is called with ${given.length} values, not ${inputs.length}`);
  inputs.forEach(([name], i) => {
    const layer = byName.get(name) ?? missing(name);
    const value = given?.[i];
    made.set(key(name, 0), [value ? { ...value, by: name } : declare(w, name, configOf(layer))]);
  });
  const outputs = references(config.output_layers, "output_layers");
  // a model in a model may count its own making as its first call
  const highest = new Map<string, number>();
  for (const [name, node] of [...outputs, ...[...calls.values()].flatMap((c) => c.inputs)])
    highest.set(name, Math.max(highest.get(name) ?? 0, node));
  const keyOf = ([name, node]: Reference): string => {
    const count = byName.get(name)?.inbound_nodes?.length ?? 0;
    return key(name, count > 0 && (highest.get(name) ?? 0) === count ? node - 1 : node);
  };
  const order: string[] = [];
  const state = new Map<string, "open" | "done">();
  for (const output of outputs) {
    const stack = [keyOf(output)];
    while (stack.length > 0) {
      const at = stack.at(-1) as string;
      const found = calls.get(at);
      if (made.has(at) || state.get(at) === "done") {
        stack.pop();
        continue;
      }
      if (!found) missing((JSON.parse(at) as [string])[0]);
      const open = (found as Call).inputs.map(keyOf).filter((k) => !made.has(k) && state.get(k) !== "done");
      if (open.length === 0) {
        state.set(at, "done");
        order.push(at);
        stack.pop();
        continue;
      }
      if (state.get(at) === "open") throw new Unreadable("its layers read each other in a circle");
      state.set(at, "open");
      for (const k of open) stack.push(k);
    }
  }
  const madeBy = (reference: Reference): Result => made.get(keyOf(reference))?.[reference[2]] ?? missing(`${reference[0]}:${reference[2]}`);
  for (const at of order) {
    const { layer, inputs: from } = calls.get(at) as Call;
    made.set(at, call(w, layer, from.map(madeBy), place, depth));
  }
  return outputs.map(madeBy);
}

function missing(name: string): never {
  throw new Unreadable(`its layers read \`${name}\`, which no layer makes`);
}

const isReference = (x: unknown): x is readonly [string, number, number, ...unknown[]] =>
  Array.isArray(x) && typeof x[0] === "string" && Number.isInteger(x[1]) && Number.isInteger(x[2]);

/** One reference, or a list of them; Keras 3 writes the only one without a list, and several under names. */
function references(value: unknown, where: string): Reference[] {
  if (isReference(value)) return [[value[0], value[1], value[2]]];
  const all = Array.isArray(value) ? value : typeof value === "object" && value !== null ? Object.values(value) : [];
  const found = all.filter(isReference).map(([name, node, tensor]): Reference => [name, node, tensor]);
  if (found.length === 0 || found.length !== all.length) throw new Unreadable(`\`${where}\` names no layers`);
  return found;
}

/** What a call reads: [[layer, node, tensor, {}], ...], or the arguments of Keras 3 with histories in them. */
function sourcesOf(node: unknown, layer: string): Reference[] {
  if (isReference(node)) return [[node[0], node[1], node[2]]];
  if (Array.isArray(node)) return references(node, `${layer}.inbound_nodes`);
  const found: Reference[] = [];
  const look = (value: unknown, depth: number): void => {
    if (depth > 8 || typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) {
      for (const v of value) look(v, depth + 1);
      return;
    }
    const { keras_history: history } = value as Record<string, unknown>;
    if (isReference(history)) found.push([history[0], history[1], history[2]]);
    else for (const v of Object.values(value)) look(v, depth + 1);
  };
  look(node, 0);
  if (found.length === 0) throw new Unreadable(`\`${layer}.inbound_nodes\` names no layers`);
  return found;
}
