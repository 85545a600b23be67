/** `sec verify`: what it finds, how it says so, exit 3. A wrong target comes as a third-party package. */
import { describe, expect, test } from "vitest";
import type { Artifact, Runner, Tensors } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { installBackend, type Project, project, TINY, TWO } from "./project.ts";

/** The cpu target, but for what `change` does to the outputs. */
function changedCpu(name: string, change: (outputs: Tensors) => Tensors): unknown {
  const runner = async (files: readonly Artifact[], net: string): Promise<unknown> => {
    const inner = (await cpu.runner?.(files, net)) as Runner;
    return { ...inner, runtime: "a changed cpu", run: async (inputs: Tensors) => change(await inner.run(inputs)) };
  };
  return { ...cpu, name, runner };
}

const shifted = (outputs: Tensors): Tensors => Object.fromEntries(Object.entries(outputs).map(([k, v]) => [k, v.map((x) => x + 0.01)]));

function withWrong(): Project {
  const p = project({ "tiny.se": TINY, "two.se": TWO });
  installBackend(p, "wrong", changedCpu("wrong", shifted));
  return p;
}

test("a target that differs: exit 3, the first layer that differs, how to see it", async () => {
  const ran = await withWrong().sec(["verify", "tiny.se", "-t", "cpu,wrong"]);
  expect(ran.code, ran.err).toBe(3);
  expect(ran.out).toMatch(/^ {2}cpu .* ok /m);
  expect(ran.out).toMatch(/^ {2}wrong .* DIFFERS +a changed cpu$/m);
  expect(ran.out).toMatch(
    /^wrong differs first at conv1 \(conv\): [\d.e-]+, bound [\d.e-]+, 288 of 288 elements, first at \[0, 0, 0, 0\]$/m,
  );
  expect(ran.out).toContain("sec compile tiny.se#tiny -t wrong");
  expect(ran.out.trimEnd().split("\n").at(-1)).toBe("targets differ");
});

test("the same as JSON", async () => {
  const ran = await withWrong().sec(["verify", "tiny.se", "-t", "cpu,wrong", "--json", "--seed", "4", "--samples", "2"]);
  expect(ran.code).toBe(3);
  const [result] = ran.json().map((v) => outputSchemas.verify.parse(v));
  expect(result).toMatchObject({ net: "tiny", reference: "f64", samples: 2, seed: 4, verdict: "fail" });
  expect(result?.targets.map((t) => [t.target, t.verdict])).toEqual([
    ["cpu", "pass"],
    ["wrong", "fail"],
  ]);
  expect(result?.targets[1]?.firstDivergence).toMatchObject({ path: "conv1", op: "conv" });
  const [output] = result?.targets[1]?.outputs ?? [];
  expect(output?.maxAbs).toBeGreaterThan(0.0099);
  expect(output?.maxAbs).toBeGreaterThan(output?.bound ?? Number.POSITIVE_INFINITY);
});

test("NaN differs, however wide the bound", async () => {
  const p = project({ "tiny.se": TINY });
  installBackend(
    p,
    "nan",
    changedCpu("nan", (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, v.map(() => Number.NaN)]))),
  );
  expect((await p.sec(["verify", "tiny.se", "-t", "nan"])).code).toBe(3);
});

describe("a target that cannot run here", () => {
  const unavailable = { ...cpu, name: "absent", runner: async () => ({ unavailable: "python module torch is not installed" }) };

  test("verify says why and goes on", async () => {
    const p = project({ "tiny.se": TINY });
    installBackend(p, "absent", unavailable);
    const ran = await p.sec(["verify", "tiny.se", "-t", "cpu,absent"]);
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^ {2}absent +- +- +- +0 +skipped: python module torch is not installed$/m);
    expect(ran.out).toContain("all targets that ran agree");
  });

  test("when none can run, nothing was compared, and that is said", async () => {
    const p = project({ "tiny.se": TINY });
    installBackend(p, "absent", unavailable);
    const ran = await p.sec(["verify", "tiny.se", "-t", "absent"]);
    expect(ran.code).toBe(2);
    expect((await p.sec(["verify", "tiny.se", "-t", "absent", "--json"])).json()).toMatchObject([{ verdict: "skipped" }]);
    expect(ran.out).not.toContain("agree");
    expect(ran.out).toContain("no target could run here");
  });

  test("run refuses", async () => {
    const p = project({ "tiny.se": TINY });
    installBackend(p, "absent", unavailable);
    const ran = await p.sec(["run", "tiny.se", "-t", "absent"]);
    expect(ran.code).toBe(2);
    expect(ran.err).toContain("SE525");
    expect(ran.err).toContain("torch");
  });
});

test("a runner that stores in f16 is held to 5e-3 of the largest output", async () => {
  const halved = (by: number): unknown => {
    const runner = async (files: readonly Artifact[], net: string): Promise<unknown> => {
      const inner = (await cpu.runner?.(files, net)) as Runner;
      const run = async (inputs: Tensors): Promise<Tensors> =>
        Object.fromEntries(Object.entries(await inner.run(inputs)).map(([k, v]) => [k, v.map((x) => x * (1 + by))]));
      return { ...inner, half: true, run };
    };
    return { ...cpu, name: "half", runner };
  };
  for (const [by, code] of [
    [4e-3, 0],
    [8e-3, 3],
  ] as const) {
    const p = project({ "tiny.se": TINY });
    installBackend(p, "half", halved(by));
    expect((await p.sec(["verify", "tiny.se", "-t", "half"])).code).toBe(code);
  }
});

test("--tolerance tightens and never loosens", async () => {
  const p = withWrong();
  const bound = async (...more: string[]): Promise<number> => {
    const [result] = (await p.sec(["verify", "tiny.se", "-t", "cpu", "--json", ...more])).json().map((v) => outputSchemas.verify.parse(v));
    return result?.targets[0]?.outputs[0]?.bound ?? Number.NaN;
  };
  const own = await bound();
  expect(await bound("--tolerance", "1")).toBe(own);
  expect(await bound("--tolerance", "1e-9")).toBeLessThan(own);
  expect((await p.sec(["verify", "tiny.se", "-t", "cpu", "--tolerance", "1e-12"])).code).toBe(3);
  expect((await p.sec(["verify", "tiny.se", "-t", "wrong", "--tolerance", "1000"])).code).toBe(3);
});

test("--layers: a row for every layer; every net of the files", async () => {
  const p = withWrong();
  const ran = await p.sec(["verify", "two.se", "tiny.se", "-t", "cpu", "--layers", "--json"]);
  const list = ran.json().map((v) => outputSchemas.verify.parse(v));
  expect(list.map((r) => r.net)).toEqual(["first", "second", "tiny"]);
  const paths = list[1]?.targets[0]?.layers?.map((l) => l.path) ?? [];
  expect(paths[0]).toBe("c");
  expect(paths).toContain("se.fc1");
  expect(list.every((r) => r.targets[0]?.layers?.every((l) => l.verdict === "pass"))).toBe(true);
});

test("--input: one sample, the one that was given", async () => {
  const p = withWrong();
  p.write("x.json", JSON.stringify([Array.from({ length: 3 }, () => Array.from({ length: 6 }, () => [1, 2, 3, 4, 5, 6]))]));
  const ran = await p.sec(["verify", "tiny.se", "-t", "cpu", "--input", "image=x.json", "--json"]);
  expect(ran.json()).toMatchObject([{ samples: 1, verdict: "pass" }]);
});

test("a backend that fails is a bug: exit 70, a report is asked for, the stack only with --verbose", async () => {
  const p = project({ "tiny.se": TINY });
  const emit = (): never => {
    throw new Error("out of luck");
  };
  installBackend(p, "broken", { ...cpu, name: "broken", emit });
  const ran = await p.sec(["compile", "tiny.se", "-t", "broken"]);
  expect(ran.code).toBe(70);
  expect(ran.err).toContain("error SE900: an unexpected error: out of luck");
  expect(ran.err).toContain("sec compile tiny.se -t broken");
  expect(ran.err).not.toMatch(/\n\s+at /);
  expect((await p.sec(["compile", "tiny.se", "-t", "broken", "--verbose"])).err).toMatch(/\n\s+at /);
  expect(p.files().filter((f) => f.startsWith("dist/"))).toEqual([]);
});

test("packages that are no backend, or one of another version, or of another name", async () => {
  const p = project({ "tiny.se": TINY });
  installBackend(p, "none", { hello: 1 });
  installBackend(p, "newer", { ...cpu, name: "newer", apiVersion: 2 });
  installBackend(p, "half", { name: "half", apiVersion: 1, level: "kernel" });
  for (const [name, code] of [
    ["none", "SE511"],
    ["newer", "SE512"],
    ["half", "SE511"],
  ]) {
    const ran = await p.sec(["compile", "tiny.se", "-t", name as string]);
    expect(ran.code).toBe(2);
    expect(ran.err).toContain(code);
  }
});
