/** Which targets there are: the built-in ones, then packages `sec-backend-NAME`, found by a loader that the caller gives. */
import type * as z from "zod";
import type { Extra, Message } from "../compiler/diagnostics/diagnostic.ts";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import type { Span } from "../compiler/source.ts";
import { API_VERSION, type Backend } from "./backend.ts";

export type { Backend };

/** A place to report wrong usage to; a Diagnostics is one. */
export interface Reporter {
  report(message: Message, at?: Span, extra?: Extra): void;
}

/** The default export of a package of the user's project; undefined when it is not installed. Loading may run the package's code. */
export type LoadPackage = (name: string) => Promise<unknown>;

/** In alphabetical order of their names. A backend is loaded when it is asked for: each is more code than the compiler's passes. */
const builtIn = new Map<string, () => Promise<unknown>>([
  ["cpu", async () => (await import("./cpu/index.ts")).cpu],
  ["onnx", async () => (await import("./onnx/index.ts")).onnx],
  ["pytorch", async () => (await import("./pytorch/index.ts")).pytorch],
  ["tfjs", async () => (await import("./tfjs/index.ts")).tfjs],
  ["wasm", async () => (await import("./wasm/index.ts")).wasm],
  ["webgpu", async () => (await import("./webgpu/index.ts")).webgpu],
]);

export const builtInNames: readonly string[] = [...builtIn.keys()];

export const builtInBackends = (): Promise<readonly Backend[]> =>
  Promise.all([...builtIn.values()].map((load) => load() as Promise<Backend>));

/**
 * The backend `--target name` means: built in, else from the packages of the configuration, else `sec-backend-<name>`.
 * Reports SE511 or SE512 and returns undefined when there is none that works.
 */
export async function resolveBackend(
  name: string,
  load: LoadPackage,
  reporter: Reporter,
  packages: readonly string[] = [],
): Promise<Backend | undefined> {
  const own = builtIn.get(name);
  if (own) return (await own()) as Backend;
  // a name from the command line becomes part of a package name: nothing but a plain name may
  const plain = /^[a-z0-9][a-z0-9._-]*$/i.test(name);
  const conventional = `sec-backend-${name}`;
  const candidates = [...packages.filter((p) => p.split("/").at(-1) === conventional), ...(plain ? [conventional] : [])];
  for (const candidate of new Set([...candidates, ...packages])) {
    const loaded = await load(candidate);
    if (loaded === undefined) continue;
    if (!isRecord(loaded) || loaded.name !== name) {
      // a package of the configuration may be another target's
      if (!candidates.includes(candidate)) continue;
      reporter.report(messages.SE511.notABackend({ package: candidate, name }));
      return undefined;
    }
    return checked(loaded, candidate, reporter);
  }
  const near = nearest(name, builtInNames);
  reporter.report(
    messages.SE511.unknown({ name, builtIn: builtInNames.join(", "), package: conventional }),
    undefined,
    near === undefined ? {} : { help: `did you mean \`${near}\`?` },
  );
  return undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function checked(loaded: Record<string, unknown>, from: string, reporter: Reporter): Backend | undefined {
  const name = String(loaded.name);
  if (loaded.apiVersion !== API_VERSION) {
    const newer = typeof loaded.apiVersion === "number" && loaded.apiVersion > API_VERSION;
    reporter.report(
      messages.SE512.version({ name, given: String(loaded.apiVersion), own: API_VERSION, older: newer ? "sec-compiler" : from }),
    );
    return undefined;
  }
  const complete = (loaded.level === "kernel" || loaded.level === "graph") && typeof loaded.emit === "function" && isRecord(loaded.options);
  if (!complete) {
    reporter.report(messages.SE511.notABackend({ package: from, name }));
    return undefined;
  }
  // the fields that matter were checked one by one
  return loaded as unknown as Backend;
}

/**
 * The options of a target with defaults filled in. Text from the command line ("true", "4") is read as the type the schema wants.
 * Reports SE513 for every wrong key or value and returns undefined then.
 */
export function parseBackendOptions(backend: Backend, values: Readonly<Record<string, unknown>>, reporter: Reporter): unknown {
  const known = Object.keys(backend.options.shape);
  const typed = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, typedValue(backend.options, key, value)]));
  const result = backend.options.safeParse(typed);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) unknownKey(backend.name, key, known, reporter);
      continue;
    }
    const key = String(issue.path[0] ?? "");
    if (!(key in values)) {
      reporter.report(messages.SE513.missing({ target: backend.name, key }));
      continue;
    }
    reporter.report(
      messages.SE513.value({ target: backend.name, key, given: JSON.stringify(values[key]) ?? String(values[key]), want: wanted(issue) }),
    );
  }
  return undefined;
}

function unknownKey(target: string, key: string, known: readonly string[], reporter: Reporter): void {
  if (known.length === 0) {
    reporter.report(messages.SE513.keyOfNone({ target, key }));
    return;
  }
  const near = nearest(key, known);
  reporter.report(
    messages.SE513.key({ target, key, options: known.join(", ") }),
    undefined,
    near === undefined ? {} : { help: `did you mean \`${near}\`?` },
  );
}

/** A text that says a boolean or a number becomes one, when the schema takes it and does not take the text. */
function typedValue(schema: z.ZodObject, key: string, value: unknown): unknown {
  const field = schema.shape[key] as z.ZodType | undefined;
  if (field === undefined || typeof value !== "string" || field.safeParse(value).success) return value;
  const candidate = value === "true" ? true : value === "false" ? false : value.trim() === "" ? Number.NaN : Number(value);
  const outcome = field.safeParse(candidate);
  // a number out of range is still what was meant
  const meant = outcome.success || outcome.error.issues.every((issue) => issue.code !== "invalid_type" && issue.code !== "invalid_value");
  return meant ? candidate : value;
}

/** What zod wanted, in plain words. */
function wanted(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return issue.values.map((v) => String(v)).join(" or ");
    case "invalid_type":
      return issue.expected === "boolean" ? "true or false" : issue.expected === "int" ? "a whole number" : `a ${issue.expected}`;
    case "too_small":
      return `at least ${issue.minimum}`;
    case "too_big":
      return `at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}
