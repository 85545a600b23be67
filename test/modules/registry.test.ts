/** Which target a name means, third-party packages, and options of targets. */
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineBackend } from "../../backends/backend.ts";
import { builtInBackends, builtInNames, parseBackendOptions, resolveBackend } from "../../backends/registry.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";

const dot = defineBackend({
  name: "dot",
  apiVersion: 1,
  level: "graph",
  summary: "Graphviz text",
  options: z.strictObject({
    rankdir: z.enum(["TB", "LR"]).default("TB"),
    weights: z.boolean().default(false),
    depth: z.number().int().min(1).optional(),
  }),
  training: () => false,
  emit: (graph) => ({ artifacts: [{ path: `${graph.name}.dot`, contents: "", mediaType: "text/vnd.graphviz" }], metrics: {} }),
});

const nothing = async (): Promise<unknown> => undefined;
const texts = (d: Diagnostics): string[] => d.all.map((x) => [x.code, x.title, ...x.notes, x.help].join(" | "));

describe("resolveBackend", () => {
  test("built-in targets have distinct names in alphabetical order", async () => {
    expect(builtInNames).toContain("cpu");
    expect(builtInNames).toEqual([...new Set(builtInNames)].sort());
    expect((await builtInBackends()).map((b) => b.name)).toEqual(builtInNames);
    for (const name of builtInNames) expect((await resolveBackend(name, nothing, new Diagnostics()))?.name).toBe(name);
  });

  test("a package sec-backend-NAME is asked for, and packages of the configuration before it", async () => {
    const asked: string[] = [];
    const load = async (name: string): Promise<unknown> => {
      asked.push(name);
      return name === "@scope/sec-backend-dot" ? dot : undefined;
    };
    const problems = new Diagnostics();
    expect(await resolveBackend("dot", load, problems, ["@scope/sec-backend-dot"])).toBe(dot);
    expect(await resolveBackend("dot", async (n) => (n === "sec-backend-dot" ? dot : undefined), problems)).toBe(dot);
    expect(asked).toEqual(["@scope/sec-backend-dot"]);
    expect(problems.all).toEqual([]);
  });

  test("an unknown target is SE511 with the near miss and the package looked for", async () => {
    const problems = new Diagnostics();
    expect(await resolveBackend("cpuu", nothing, problems)).toBeUndefined();
    expect(texts(problems)).toEqual([
      `SE511 | there is no target called \`cpuu\` | built in are ${builtInNames.join(", ")}; the package sec-backend-cpuu is not installed here | did you mean \`cpu\`?`,
    ]);
  });

  test("a name that is a path is never loaded", async () => {
    const asked: string[] = [];
    const problems = new Diagnostics();
    await resolveBackend("../../evil", async (n) => asked.push(n), problems);
    expect(asked).toEqual([]);
    expect(problems.all.map((d) => d.code)).toEqual(["SE511"]);
  });

  test("a package that is no backend is SE511, one of another interface SE512", async () => {
    const problems = new Diagnostics();
    for (const found of [{}, { ...dot, name: "other" }, { ...dot, emit: undefined }]) {
      expect(await resolveBackend("dot", async () => found, problems)).toBeUndefined();
    }
    expect(await resolveBackend("dot", async () => ({ ...dot, apiVersion: 2 }), problems)).toBeUndefined();
    expect(problems.all.map((d) => d.code)).toEqual(["SE511", "SE512"]);
    expect(texts(problems)[1]).toBe("SE512 | the backend `dot` wants interface version 2, this sec has version 1 | update sec-compiler");
  });
});

describe("parseBackendOptions", () => {
  const parse = (values: Record<string, unknown>): unknown => {
    const problems = new Diagnostics();
    const parsed = parseBackendOptions(dot as never, values, problems);
    return problems.hasErrors ? texts(problems) : parsed;
  };

  test("fills defaults in and reads text as the type that is wanted", () => {
    expect(parse({})).toEqual({ rankdir: "TB", weights: false });
    expect(parse({ rankdir: "LR", weights: "true", depth: "3" })).toEqual({ rankdir: "LR", weights: true, depth: 3 });
  });

  test("a wrong key is SE513 with the near miss", () => {
    expect(parse({ rankdri: "LR" })).toEqual([
      "SE513 | the target dot has no option `rankdri` | its options are rankdir, weights, depth | did you mean `rankdir`?",
    ]);
  });

  test("a wrong value is SE513 in plain words", () => {
    const help = "`sec targets dot` describes the options";
    expect(parse({ rankdir: "up" })).toEqual([`SE513 | dot.rankdir cannot be "up" | it must be TB or LR | ${help}`]);
    expect(parse({ weights: "maybe" })).toEqual([`SE513 | dot.weights cannot be "maybe" | it must be true or false | ${help}`]);
    expect(parse({ depth: "0" })).toEqual([`SE513 | dot.depth cannot be "0" | it must be at least 1 | ${help}`]);
    expect(parse({ depth: "deep" })).toEqual([`SE513 | dot.depth cannot be "deep" | it must be a number | ${help}`]);
  });

  test("a target without options says so", async () => {
    const problems = new Diagnostics();
    const cpu = (await builtInBackends()).find((b) => b.name === "cpu");
    expect(parseBackendOptions(cpu as never, { fast: "yes" }, problems)).toBeUndefined();
    expect(texts(problems)).toEqual(["SE513 | the target cpu has no option `fast`: it has no options | leave it out"]);
  });
});
