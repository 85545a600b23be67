/** Resolves --target and --set to backends with checked options. */
import { type EmittedTarget, emitTarget as emit } from "../backends/emit.ts";
import { type Backend, builtInNames, parseBackendOptions, resolveBackend } from "../backends/registry.ts";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import type { Config } from "./config.ts";
import { interruptible } from "./interruptible.ts";
import type { TargetOptions } from "./options.ts";
import { loadInstalledBackend } from "./packages.ts";
import type { Session } from "./session.ts";

export interface ChosenTarget {
  readonly backend: Backend;
  /** Checked against the backend's schema. */
  readonly options: unknown;
}

/** Undefined after a reported problem. */
export async function chooseTargets(
  session: Session,
  options: TargetOptions,
  config: Config,
  fallback: readonly string[],
): Promise<readonly ChosenTarget[] | undefined> {
  const wanted = options.target ?? config.targets ?? fallback;
  const names = [...new Set(wanted.flatMap((n) => (n === "all" ? builtInNames : [n])))];
  const chosen: ChosenTarget[] = [];
  const usage = { report: session.usage };
  for (const name of names) {
    const backend = await resolveBackend(name, (pkg) => loadInstalledBackend(session, pkg), usage, config.backends ?? []);
    if (!backend) continue;
    const values: Record<string, unknown> = { ...config.set?.[name] };
    for (const [key, value] of options.set ?? []) if (key.startsWith(`${name}.`)) values[key.slice(name.length + 1)] = value;
    const parsed = parseBackendOptions(backend, values, usage);
    if (parsed !== undefined) chosen.push({ backend, options: parsed });
  }
  for (const [name, values] of Object.entries(config.set ?? {})) {
    if (names.includes(name)) continue;
    // what is set for targets that are not made now is checked all the same
    const backend = await resolveBackend(name, (pkg) => loadInstalledBackend(session, pkg), usage, config.backends ?? []);
    if (backend) parseBackendOptions(backend, { ...values }, usage);
  }
  for (const [key] of options.set ?? []) {
    const target = key.split(".")[0] as string;
    if (names.includes(target)) continue;
    // an option without effect is a mistake: of the target's name, or of the list of targets
    const known = await resolveBackend(target, (pkg) => loadInstalledBackend(session, pkg), usage, config.backends ?? []);
    if (known)
      session.usage(messages.SE520.value({ option: "--set", want: `an option of a chosen target (${names.join(", ")})`, given: key }));
  }
  return session.failed ? undefined : chosen;
}

/** Packing the weights of a large net takes seconds. */
export const emitTarget = (request: Parameters<typeof emit>[0]): Promise<EmittedTarget> => interruptible(() => emit(request));
