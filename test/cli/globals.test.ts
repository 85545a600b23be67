/** Options that every command has, how FILE is meant, the configuration and what beats what. */
import { describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { type Project, project, TINY, TWO } from "./project.ts";

const WRONG = "se 1\nnet n {\n  input x: f32[N, 3, 8, 8]\n  aa(1)\n  bb(1)\n  cc(1)\n  output y\n}\n";
const WARNED = "se 1\nnet n { input x: f32[N, 3, 8, 8]  relu * 0  c: conv(3, 3)  output y }\n";
const ESCAPE = "\u001b[";

const all = (): Project => project({ "net.se": TINY, "two.se": TWO, "wrong.se": WRONG, "warned.se": WARNED });
const targets = async (p: Project, ...args: string[]): Promise<string[]> => {
  const ran = await p.sec([...args, "--json"]);
  expect(ran.code, ran.out).toBe(0);
  return ran.json().map((v) => outputSchemas.compile.parse(v).target);
};

describe("FILE", () => {
  test("the bare name of a shipped net; a file of that name wins", async () => {
    const p = project();
    expect((await p.sec(["inspect", "se_resnet50", "--json"])).json()).toMatchObject([{ net: "se_resnet50", params: 28_088_024 }]);
    p.write("se_resnet50", TINY);
    expect((await p.sec(["inspect", "se_resnet50", "--json"])).json()).toMatchObject([{ net: "tiny" }]);
  });

  test("the bare name of a family that ships is its file, also where a template has that name", async () => {
    const p = project();
    const { code, err } = await p.sec(["inspect", "unet_scse"]);
    expect([code, err]).toEqual([2, expect.stringContaining("`sec inspect unet_scse#unet`; there are `unet`, `scse_unet`")]);
    expect((await p.sec(["inspect", "unet_scse#scse_unet", "--json"])).json()).toMatchObject([{ net: "scse_unet", params: 1_941_493 }]);
    expect((await p.sec(["check", "squeezenet"])).err).toContain("squeezenet: 3 nets are fine");
    expect((await p.sec(["inspect", "cifar_wrn"])).err).toContain("`cifar_wrn16_8`");
    // a net that can stand alone is meant itself, whatever else its file holds
    expect((await p.sec(["inspect", "shufflenet_v1", "--json"])).json()).toMatchObject([{ net: "shufflenet_v1", params: 1_864_728 }]);
  });

  test("FILE#NAME and --net mean the same", async () => {
    const p = all();
    for (const args of [["two.se#second"], ["two.se", "--net", "second"]])
      expect((await p.sec(["inspect", ...args, "--json"])).json()).toMatchObject([{ net: "second" }]);
  });

  test("- is standard input; --stdin-name chooses the form and names it in messages", async () => {
    const p = all();
    expect((await p.sec(["inspect", "-", "--json"], { stdin: TINY })).json()).toMatchObject([{ net: "tiny" }]);
    const json = (await p.sec(["fmt", "net.se", "--to", "json"])).out;
    expect((await p.sec(["inspect", "-", "--stdin-name", "net.json", "--json"], { stdin: json })).json()).toMatchObject([{ net: "tiny" }]);
    expect((await p.sec(["check", "-", "--stdin-name", "mine.se"], { stdin: WRONG })).err).toContain("mine.se:4:3: error SE104");
  });

  test("-C: as if started there; paths are relative to it", async () => {
    const p = project({ "deep/net.se": TINY });
    expect((await p.sec(["compile", "net.se", "-t", "cpu", "-C", "deep"])).code).toBe(0);
    expect(p.files()).toContain("deep/dist/tiny/cpu/tiny.js");
  });
});

describe("problems", () => {
  test("--max-errors cuts, and says how many are left", async () => {
    const { err, code } = await all().sec(["check", "wrong.se", "--max-errors", "1"]);
    expect(code).toBe(1);
    expect(err.match(/error SE104/g)).toHaveLength(1);
    expect(err).toContain("... and 2 more; --max-errors 3 shows all");
    expect(err.trimEnd().split("\n").at(-1)).toBe("3 errors in wrong.se");
  });

  test("--error-format json: one object on standard error; github: annotations", async () => {
    const json = await all().sec(["check", "wrong.se", "--error-format", "json"]);
    expect(json.out).toBe("");
    expect(outputSchemas.check.parse(JSON.parse(json.err)).diagnostics).toHaveLength(3);
    const github = await all().sec(["check", "wrong.se", "--error-format", "github"]);
    expect(github.err.trim().split("\n")).toHaveLength(3);
    expect(github.err).toMatch(/^::error file=wrong\.se,line=4,.*SE104/m);
  });

  test("wrong usage is printed in the wanted form too", async () => {
    const github = await all().sec(["check", "--taget", "x", "--error-format", "github"]);
    expect([github.code, github.err]).toEqual([2, expect.stringMatching(/^::error title=SE520::/)]);
    const json = await all().sec(["check", "--taget", "x", "--error-format", "json"]);
    expect(outputSchemas.check.parse(JSON.parse(json.err)).diagnostics).toHaveLength(1);
  });

  test("-W: a warning by its code or `all` is an error, or is not there", async () => {
    const p = all();
    const code = /warning (SE\d+)/.exec((await p.sec(["check", "warned.se"])).err)?.[1] as string;
    for (const name of [code, code.toLowerCase(), "all"]) {
      expect((await p.sec(["check", "warned.se", "-W", `${name}=error`])).code).toBe(1);
      const off = await p.sec(["check", "warned.se", "-W", `${name}=off`]);
      expect({ code: off.code, said: off.err.includes(code) }).toEqual({ code: 0, said: false });
    }
    expect((await p.sec(["compile", "warned.se", "-t", "cpu", "-W", "all=error"])).code).toBe(1);
    expect(p.has("dist")).toBe(false);
    expect((await p.sec(["check", "warned.se", "-W", "all"])).code).toBe(2);
  });

  test("-q: results and errors only", async () => {
    const p = all();
    expect((await p.sec(["compile", "warned.se", "-t", "cpu", "-q"])).err).toBe("");
    expect((await p.sec(["check", "wrong.se", "-q"])).err).toContain("SE104");
  });

  test("colour on a terminal only; NO_COLOR, TERM=dumb and --color", async () => {
    const p = all();
    const coloured = async (args: readonly string[], around: Parameters<Project["sec"]>[1]): Promise<boolean> =>
      (await p.sec(["check", "wrong.se", ...args], around)).err.includes(ESCAPE);
    expect(await coloured([], {})).toBe(false);
    expect(await coloured([], { terminal: true })).toBe(true);
    expect(await coloured([], { terminal: true, env: { NO_COLOR: "1" } })).toBe(false);
    expect(await coloured([], { terminal: true, env: { TERM: "dumb" } })).toBe(false);
    expect(await coloured(["--color", "never"], { terminal: true })).toBe(false);
    expect(await coloured(["--color", "always"], { env: { NO_COLOR: "1" } })).toBe(true);
  });
});

describe("configuration", () => {
  const config = { targets: ["tfjs", "cpu"], outDir: "made", optimize: 1, set: { webgpu: { variant: "register" } } };

  test("json and js; flags beat it", async () => {
    const json = { "net.se": TINY, "sec.config.json": JSON.stringify(config) };
    const js = { "net.se": TINY, "sec.config.js": `export default ${JSON.stringify(config)};`, "package.json": '{"type": "module"}' };
    for (const files of [json, js]) {
      const p = project(files);
      expect(await targets(p, "compile", "net.se")).toEqual(["tfjs", "cpu"]);
      expect(p.has("made/tiny/cpu/tiny.js")).toBe(true);
      expect(await targets(p, "compile", "net.se", "-t", "cpu", "-o", "other")).toEqual(["cpu"]);
      expect(p.has("other/tiny/cpu/tiny.js")).toBe(true);
    }
  });

  test("optimize and set reach the target; flags beat them", async () => {
    const p = project({ "net.se": TINY, "sec.config.json": JSON.stringify({ ...config, targets: ["webgpu"] }) });
    const text = async (...flags: string[]): Promise<string> =>
      (await p.sec(["compile", "net.se", "-t", "webgpu", "-o", "-", ...flags])).out;
    const configured = await text();
    p.write("none.json", "{}");
    expect(await text("--config", "none.json", "-O", "1", "--set", "webgpu.variant=register")).toBe(configured);
    expect(await text("--set", "webgpu.variant=tiled")).not.toBe(configured);
    expect(await text("-O", "0")).not.toBe(configured);
  });

  test("--config: another file; its outDir is relative to it", async () => {
    const p = project({ "net.se": TINY, "deep/mine.json": JSON.stringify({ ...config, targets: ["cpu"] }) });
    expect(await targets(p, "compile", "net.se", "--config", "deep/mine.json")).toEqual(["cpu"]);
    expect(p.has("deep/made/tiny/cpu/tiny.js")).toBe(true);
  });

  test("warnings: levels, which -W beats", async () => {
    const p = project({ "net.se": WARNED, "sec.config.json": JSON.stringify({ warnings: { all: "error" } }) });
    expect((await p.sec(["compile", "net.se", "-t", "cpu"])).code).toBe(1);
    expect((await p.sec(["compile", "net.se", "-t", "cpu", "-W", "all=warn"])).code).toBe(0);
  });
});
