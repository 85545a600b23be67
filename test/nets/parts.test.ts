/** The parts together are all nets that ship, and what these tests claim to see is there to be seen. */
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { PARTS, partOfNets, wholeNets } from "../judges/whole-nets.ts";

test("every net is in exactly one part, and every part has its file", () => {
  const parts = Array.from({ length: PARTS }, (_, i) => i + 1);
  const key = ({ file, net }: { file: string; net: string }): string => `${file}#${net}`;
  expect(parts.flatMap((p) => partOfNets(p).map(key)).sort()).toEqual(wholeNets().map(key).sort());
  const files = readdirSync(new URL(".", import.meta.url)).filter((name) => name.startsWith("part-"));
  expect(files.sort()).toEqual(parts.map((p) => `part-${p}.test.ts`));
  expect(wholeNets().map((n) => n.net)).toEqual(expect.arrayContaining(["se_block", "se_resnet50", "mobilenet_v3_large", "senet154"]));
});
