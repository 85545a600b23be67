import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sourceFile } from "../../compiler/source.ts";
import { formatText } from "../../compiler/syntax/format.ts";
import { formatJson } from "../../compiler/syntax/format-json.ts";
import { jsonSchema } from "../../compiler/syntax/schema.ts";
import { parsed, withoutSpans } from "./parsed.ts";

const files = ["test/fixtures/samples", "specs/nets", "specs/std"].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".se"))
    .map((name) => `${folder}/${name}`),
);

describe.each(files)("%s", (path) => {
  const text = readFileSync(path, "utf8");

  test("is read without complaint", () => {
    expect(parsed(sourceFile(path, text)).messages).toEqual([]);
  });

  test("formatting keeps the tree and is a fixed point", () => {
    const { tree } = parsed(sourceFile(path, text));
    const once = formatText(tree);
    const again = parsed(sourceFile(path, once));
    expect(again.messages).toEqual([]);
    expect(withoutSpans(again.tree)).toEqual(withoutSpans(tree));
    expect(formatText(again.tree)).toBe(once);
  });

  test("text -> JSON -> text is the formatted text without comments", () => {
    const { tree } = parsed(sourceFile(path, text));
    const json = formatJson(tree);
    const back = parsed(sourceFile("net.json", json));
    expect(back.messages).toEqual([]);
    expect(formatText(back.tree)).toBe(formatText({ ...tree, comments: [] }));
    expect(formatJson(back.tree)).toBe(json);
  });
});

test("comments stay with what they are about", () => {
  const text = `# the licence

se 1  # edition
# what is used
use "a.se"  # a

# about b

# more about b
block b(x,  # a size
        y) { # begins
  # before conv1
  conv1: conv(8, 3)  # behind conv1
  relu
  if x == 1 { relu # inside
  } # after the if
  #  indented
  residual { # the branches
    main { conv2: conv(8, 3) }  # behind main
    # the end of the branches
  }
  # the end of the body
}

net c from b { # one edit
  remove relu
}
# the end of the file
`;
  const expected = `# the licence

se 1  # edition
# what is used
use "a.se"  # a

# about b

# more about b
# a size
block b(x, y) {
  # begins
  # before conv1
  conv1: conv(8, 3)  # behind conv1
  relu
  if x == 1 {
    relu  # inside
  }  # after the if
  #  indented
  residual {
    # the branches
    main { conv2: conv(8, 3) }  # behind main
    # the end of the branches
  }
  # the end of the body
}

net c from b {
  # one edit
  remove relu
}

# the end of the file
`;
  const once = formatText(parsed(sourceFile("a.se", text)).tree);
  expect(once).toBe(expected);
  expect(formatText(parsed(sourceFile("a.se", once)).tree)).toBe(once);
});

test("formatting normalises what says nothing", () => {
  const text = `se 1 net a(x = ((1)),) { input i: f32[N, 3, 8, 8,]; "conv1": conv((8), 3.0,); relu();
    if x == 1 { relu } else { if x == 2 { gap } else { if x == 3 { gmp } } }  output y } use "b.se"`;
  expect(formatText(parsed(sourceFile("a.se", text)).tree)).toBe(`se 1
use "b.se"

net a(x = 1) {
  input i: f32[N, 3, 8, 8]
  conv1: conv(8, 3)  relu
  if x == 1 { relu } else if x == 2 { gap } else if x == 3 { gmp }
  output y
}
`);
});

test("every object of the published schema is closed", () => {
  const open: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    const object = value as Record<string, unknown>;
    if (object.type === "object" && object.properties && object.additionalProperties !== false) open.push(path);
    for (const [key, inner] of Object.entries(object)) walk(inner, `${path}/${key}`);
  };
  walk(JSON.parse(jsonSchema()), "");
  expect(open).toEqual([]);
});

test.each(files.filter((file) => file.startsWith("specs/")))("%s is in canonical form", (file) => {
  const text = readFileSync(file, "utf8");
  expect(formatText(parsed(sourceFile(file, text)).tree)).toBe(text);
});

test("branches on lines of their own have their bodies in one column; one that takes several lines does not count", () => {
  const open = "c1: conv(8, 3)  bn  relu  c2: conv(8, 3)  bn  relu  c3: conv(8, 3)  bn  relu  c4: conv(8, 3)  bn  relu";
  const text = `se 1\nblock b { add { a { relu }  longest { ${open} }  main { sigmoid } } }\n`;
  const lines = formatText(parsed(sourceFile("a.se", text)).tree).split("\n");
  expect(lines).toContain("    a    { relu }");
  expect(lines).toContain("    main { sigmoid }");
  expect(lines).toContain("    longest {");
});
