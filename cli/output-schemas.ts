/**
 * The JSON that commands print with --json (cli.md section 5): published as JSON Schema in specs/schemas/ by scripts/generate.ts,
 * and every command's output is checked against it in the tests. Fields may be added, never renamed, removed or retyped.
 */
import * as z from "zod";
import { pictureFormats } from "../compiler/index.ts";
import { configSchema } from "./config.ts";

const count = z.int().min(0);
/** JSON knows neither NaN nor infinity: they are null. */
const value = z.number().nullable();
const port = z.strictObject({ name: z.string(), dtype: z.string(), shape: z.array(count) });
const position = z.strictObject({ line: z.int().min(1), column: z.int().min(1), offset: count });
const place = { file: z.string(), start: position, end: position };
const shape = z.array(z.union([z.int(), z.string()]));

const diagnostic = z.strictObject({
  code: z.string().regex(/^SE\d{3}$/),
  severity: z.enum(["error", "warning", "info"]),
  title: z.string(),
  labels: z.array(z.strictObject({ ...place, text: z.string().optional() })),
  notes: z.array(z.string()),
  help: z.string().optional(),
  fixes: z.array(z.strictObject({ title: z.string(), ...place, replacement: z.string() })).optional(),
});

const kernel = z.strictObject({
  target: z.string().optional(),
  name: z.string(),
  kind: z.string(),
  algorithm: z.string(),
  tile: z.string().optional(),
  ops: z.array(z.string()),
  flops: z.number(),
  bytes: z.number(),
});

/** The same number for two nets. */
const pair = z.tuple([count, count]);
const tensor = z.strictObject({ name: z.string(), dtype: z.string(), shape: z.array(count) });

const layerVerdict = z.strictObject({
  path: z.string(),
  op: z.string(),
  maxAbs: value,
  bound: value,
  verdict: z.enum(["pass", "fail"]),
  over: count,
  of: count,
  first: z.array(count).optional(),
});

/** A JSON Schema inside a result: anything that is an object. */
const jsonSchema = z.record(z.string(), z.unknown());

export const outputSchemas = {
  check: z.strictObject({ diagnostics: z.array(diagnostic) }),
  import: z.strictObject({
    net: z.string(),
    layers: count,
    params: count,
    inputs: z.array(z.strictObject({ name: z.string(), shape })),
    outputs: z.array(z.string()),
    files: z.array(z.strictObject({ path: z.string(), bytes: count })),
  }),
  inspect: z.strictObject({
    net: z.string(),
    inputs: z.array(port),
    outputs: z.array(port),
    params: count,
    macs: count,
    elementOps: count,
    activationBytes: count,
    weightBytes: count,
    tensors: z.array(z.strictObject({ name: z.string(), shape: z.array(count), dtype: z.string(), trainable: z.boolean() })),
    layers: z.array(
      z.strictObject({
        path: z.string(),
        op: z.string(),
        output: z.array(count),
        params: count,
        macs: count,
        elementOps: count,
        activationBytes: count,
        weightBytes: count,
      }),
    ),
    kernels: z.array(kernel).optional(),
  }),
  compile: z.strictObject({
    net: z.string(),
    target: z.string(),
    files: z.array(z.strictObject({ path: z.string(), bytes: count })),
    dispatches: count.optional(),
    arenaBytes: count.optional(),
    timings: z.strictObject({
      parse: z.number(),
      check: z.number(),
      optimize: z.number(),
      lower: z.number(),
      emit: z.number(),
      write: z.number(),
      total: z.number(),
    }),
    stale: z.array(z.string()).optional(),
  }),
  verify: z.strictObject({
    net: z.string(),
    reference: z.literal("f64"),
    samples: count,
    seed: count,
    targets: z.array(
      z.strictObject({
        target: z.string(),
        runtime: z.string().optional(),
        outputs: z.array(
          z.strictObject({
            name: z.string(),
            maxAbs: value,
            maxRel: value,
            bound: value,
            verdict: z.enum(["pass", "fail"]),
          }),
        ),
        firstDivergence: layerVerdict.optional(),
        layers: z.array(layerVerdict).optional(),
        verdict: z.enum(["pass", "fail", "skipped"]),
        reason: z.string().optional(),
      }),
    ),
    /** skipped: no target could run. */
    verdict: z.enum(["pass", "fail", "skipped"]),
  }),
  run: z.strictObject({
    net: z.string(),
    target: z.string(),
    runtime: z.string().optional(),
    inputs: z.array(z.strictObject({ name: z.string(), shape: z.array(count), source: z.string() })),
    outputs: z.array(
      z.strictObject({
        name: z.string(),
        dtype: z.string(),
        shape: z.array(count),
        data: z.array(value).optional(),
        file: z.string().optional(),
        top: z.array(z.strictObject({ index: count, value })).optional(),
      }),
    ),
    timings: z.strictObject({ load: z.number(), run: z.number() }),
  }),
  bench: z.strictObject({
    net: z.string(),
    macs: count,
    results: z.array(
      z.strictObject({
        target: z.string(),
        runtime: z.string(),
        medianMs: z.number(),
        p95Ms: z.number(),
        gflops: z.number(),
        peakShare: z.number().optional(),
        runs: count,
        threads: count.optional(),
        software: z.boolean().optional(),
        layers: z.array(
          z.strictObject({ path: z.string(), op: z.string().optional(), kernel: z.string(), ms: z.number(), gflops: z.number() }),
        ),
      }),
    ),
    skipped: z.array(z.strictObject({ target: z.string(), reason: z.string() })),
    peaks: z.array(z.strictObject({ threads: count, gflops: z.number(), fused: z.boolean() })),
  }),
  ls: z.strictObject({
    net: z.string(),
    selector: z.string().optional(),
    places: z.array(z.strictObject({ path: z.string(), kind: z.string(), type: z.string(), shape })),
  }),
  expand: z.strictObject({
    net: z.string(),
    inputs: z.array(port),
    outputs: z.array(port),
    nodes: z.array(
      z.strictObject({
        path: z.string(),
        op: z.string(),
        inputs: z.array(z.string()),
        attrs: z.record(z.string(), z.unknown()),
        output: z.array(count),
        params: count,
        macs: count,
      }),
    ),
  }),
  compare: z.strictObject({
    a: z.string(),
    b: z.string(),
    params: pair,
    macs: pair,
    layers: pair,
    elementOps: pair,
    targets: z.array(z.strictObject({ target: z.string(), dispatches: pair.optional(), bytes: pair })),
  }),
  graph: z.strictObject({ net: z.string(), format: z.enum(pictureFormats), depth: count, boxes: count, text: z.string() }),
  weights: z.strictObject({
    net: z.string(),
    file: z.string(),
    fits: count,
    total: count,
    missing: z.array(tensor),
    extra: z.array(tensor),
    misshapen: z.array(z.strictObject({ name: z.string(), want: z.array(count), have: z.array(count) })),
    renames: z.array(z.strictObject({ from: z.string(), to: z.string(), tensors: count })),
    /** Nets that ship and have exactly the file's tensors; looked for when the file does not fit. */
    fitsOther: z.array(z.string()),
    problems: z.array(diagnostic),
  }),
  targets: z.strictObject({
    targets: z.array(
      z.strictObject({
        name: z.string(),
        level: z.string(),
        summary: z.string(),
        from: z.string(),
        version: z.string(),
        options: jsonSchema,
      }),
    ),
  }),
  ops: z.strictObject({
    ops: z.array(
      z.strictObject({
        name: z.string(),
        category: z.string(),
        summary: z.string(),
        attrs: jsonSchema,
        targets: z.record(z.string(), z.enum(["native", "decomposed"])),
      }),
    ),
  }),
  fmt: z.strictObject({ changed: z.array(z.string()) }),
  init: z.strictObject({ files: z.array(z.string()) }),
  explain: z.union([
    z.strictObject({ code: z.string(), summary: z.string(), text: z.string() }),
    z.strictObject({ codes: z.array(z.strictObject({ code: z.string(), summary: z.string() })) }),
  ]),
  config: configSchema(),
} as const;

/** Contents of specs/schemas/NAME.schema.json, by path. */
export function schemaFiles(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(outputSchemas).map(([name, schema]) => [
      `specs/schemas/${name}.schema.json`,
      `${JSON.stringify({ title: name === "config" ? "sec.config.json" : `sec ${name} --json`, ...z.toJSONSchema(schema) }, undefined, 2)}\n`,
    ]),
  );
}
