/**
 * Names crafted to escape into emitted code: strings as labels, identifiers everywhere else. Such nets compile to every target; the modules
 * are imported and run; nothing of the name is executed; and the numbers are those of the reference.
 */
import { describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { type Project, project } from "./project.ts";

const HOSTILE: Readonly<Record<string, string>> = {
  "double quote": "\"); globalThis['escaped']=true; (\"",
  "single quote": "'); globalThis['escaped']=true; ('",
  backtick: "`; globalThis['escaped']=true; `",
  "template hole": "\u0024{globalThis['escaped']=true}",
  "end of a comment": "*/ globalThis['escaped']=true; /*",
  "start of a comment": "// x",
  newline: "a\nglobalThis['escaped']=true;\n",
  "line separator": "a\u2028globalThis['escaped']=true;",
  "end of a script": "</script><script>globalThis['escaped']=true</script>",
  backslash: "\\",
  "proto of every object": "__proto__",
  constructor: "constructor",
  "to a string": "toString",
  "has own": "hasOwnProperty",
  keyword: "await",
  "a name of the module": "load",
  blanks: "  ",
};

/** A string of the language. */
const quoted = (text: string): string =>
  `"${[...text].map((c) => (/[\w ();=*/<>'`${}.:!-]/.test(c) ? c : c === '"' || c === "\\" ? `\\${c}` : `\\u${(c.codePointAt(0) as number).toString(16).padStart(4, "0")}`)).join("")}"`;

/** The name as the label of a group and, with a sign after it, of a layer in a branch. */
const inside = (name: string): string => `se 1
net n {
  input x: f32[N, 4, 3, 3]
  ${quoted(name)}: { conv(4, 3)  bn  relu }
  m: add { a { ${quoted(`${name}+`)}: conv(4, 1) }  b { d: conv(4, 1) } }
  gap  flatten
  fc: linear(3)
  output y
}
`;

/** Identifiers that JavaScript treats specially, as the net's, the input's and the output's name. */
const SPECIAL = ["__proto__", "constructor", "toString", "hasOwnProperty", "await", "load", "prototype", "arguments", "eval", "then"];

/** As labels of layers without a norm, where the targets look tensors up by the layer's path. */
const bare = (names: readonly string[]): string =>
  `se 1\nnet n {\n  input x: f32[N, 4, 3, 3]\n${names.map((n) => `  ${quoted(n)}: conv(4, 1, bias=true)\n`).join("")}  gap  flatten\n  output y\n}\n`;

async function agrees(p: Project): Promise<void> {
  const verified = await p.sec(["verify", "net.se", "-t", "cpu,tfjs,wasm,webgpu", "--samples", "1", "--json"]);
  expect(verified.code, verified.out + verified.err).toBe(0);
  const [result] = verified.json().map((v) => outputSchemas.verify.parse(v));
  for (const name of ["cpu", "tfjs", "wasm"]) expect(result?.targets.find((t) => t.target === name)?.verdict, name).toBe("pass");
  expect((globalThis as { escaped?: boolean }).escaped).toBeUndefined();
}

describe("as labels", () => {
  test.each(Object.entries(HOSTILE))("%s", async (_, name) => {
    const p = project({ "net.se": inside(name) });
    const compiled = await p.sec(["compile", "net.se", "-t", "cpu,tfjs,webgpu"]);
    expect(compiled.code, compiled.err).toBe(0);
    await agrees(p);
  });
});

test("as labels of layers that stand alone, all in one net", async () => {
  await agrees(project({ "net.se": bare(Object.values(HOSTILE)) }));
});

describe("as nets, inputs, outputs and branches", () => {
  test.each(SPECIAL)("%s", async (name) => {
    const p = project({
      "net.se": `se 1\nnet ${name} {\n  input ${name}: f32[N, 4, 3, 3]\n  c: conv(4, 3)\n  add { ${name} {}  b { d: conv(4, 1) } }\n  gap  flatten\n  output ${name}\n}\n`,
    });
    await agrees(p);
    const ran = await p.sec(["run", "net.se", "-t", "cpu", "--json", "--input", `${name}=random`]);
    expect(ran.code, ran.err).toBe(0);
    expect(outputSchemas.run.parse(ran.json()[0]).outputs[0]).toMatchObject({ name, shape: [1, 4] });
  });
});
