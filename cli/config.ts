/** sec.config.json: defaults for flags (cli.md section 2). Flags beat environment beats config. */
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { once } from "../compiler/once.ts";
import type { Session } from "./session.ts";
import { readTextFile } from "./spec-files.ts";
import { type WarningLevel, warningName } from "./warning-levels.ts";

/** Made when there is a file to read. */
export const configSchema = once(() =>
  z.strictObject({
    $schema: z.string().optional(),
    targets: z.array(z.string()).min(1).optional().meta({ description: "targets of `sec compile` when --target is not given" }),
    outDir: z.string().optional().meta({ description: "output folder, relative to this file" }),
    optimize: z
      .union([z.literal(0), z.literal(1), z.literal(2)])
      .optional()
      .meta({ description: "optimisation level" }),
    backends: z.array(z.string()).optional().meta({ description: "packages that bring further targets" }),
    warnings: z
      .record(z.string(), z.enum(["off", "warn", "error"]))
      .optional()
      .meta({ description: "level of each warning, by code" }),
    set: z
      .record(z.string(), z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])))
      .optional()
      .meta({ description: "target options: { webgpu: { f16: true } }" }),
  }),
);

export type Config = z.output<ReturnType<typeof configSchema>>;

export const DEFAULT_NAMES = ["sec.config.json", "sec.config.js"] as const;

async function readRaw(session: Session, file: string, shown: string): Promise<unknown> {
  if ((shown.endsWith(".js") || shown.endsWith(".mjs")) && existsSync(file)) {
    try {
      const { importUrl } = await import("../backends/module/import-url.ts");
      return (await importUrl<{ default: unknown }>(pathToFileURL(file).href)).default;
    } catch (error) {
      session.usage(messages.SE523.invalid({ file: shown, problem: (error as Error).message }));
      return undefined;
    }
  }
  const text = readTextFile(file);
  if (!text.ok) {
    session.usage(messages.SE009.file({ file: shown, reason: text.reason }));
    return undefined;
  }
  try {
    return JSON.parse(text.text);
  } catch (error) {
    session.usage(messages.SE523.invalid({ file: shown, problem: `not JSON: ${(error as Error).message}` }));
    return undefined;
  }
}

/** Levels under the names that the session looks up. False after a reported problem. */
function setLevels(session: Session, file: string, warnings: Readonly<Record<string, WarningLevel>>): boolean {
  const levels: Record<string, WarningLevel> = {};
  for (const [key, level] of Object.entries(warnings)) {
    const name = warningName(key);
    if (typeof name === "string") levels[name] = level;
    else session.usage(messages.SE523.invalid({ file, problem: `\`warnings\`: ${name.problem}` }));
  }
  session.setLevels(levels);
  return !session.failed;
}

/** Reads the config of the working directory, or the one --config names. Undefined after a reported problem. */
export async function readConfig(session: Session): Promise<Config | undefined> {
  const named = session.options.config;
  const shown = named ?? DEFAULT_NAMES.find((n) => existsSync(path.resolve(session.options.directory, n)));
  if (shown === undefined) return {};
  const data = await readRaw(session, path.resolve(session.options.directory, shown), shown);
  if (session.failed) return undefined;
  const parsed = configSchema().safeParse(data);
  if (parsed.success) {
    const { outDir, warnings } = parsed.data;
    if (warnings && !setLevels(session, shown, warnings)) return undefined;
    const home = path.dirname(shown);
    return outDir === undefined || home === "." || path.isAbsolute(outDir)
      ? parsed.data
      : { ...parsed.data, outDir: path.join(home, outDir) };
  }
  for (const issue of parsed.error.issues) {
    const where = issue.path.length > 0 ? `\`${issue.path.join(".")}\`: ` : "";
    const what =
      issue.code === "unrecognized_keys" ? `there is no setting called ${issue.keys.map((k) => `\`${k}\``).join(", ")}` : issue.message;
    session.usage(messages.SE523.invalid({ file: shown, problem: `${where}${what}` }));
  }
  return undefined;
}
