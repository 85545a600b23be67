/**
 * Makes examples/images/line-upright.png and line-turned.png, the pictures of the demo's second act: a line of text in a bitmap font of our
 * own, and the same line turned by 180 degrees. Deterministic; run it only to change them.
 */
import { writeFileSync } from "node:fs";
import { encode } from "fast-png";
import { textLine } from "../test/import/pictures.ts";

const [WIDTH, HEIGHT] = [192, 48];

for (const [name, turned] of [
  ["upright", false],
  ["turned", true],
] as const) {
  const planes = textLine("LABEL 754", turned);
  const data = new Uint8Array(3 * WIDTH * HEIGHT);
  // the tensor has blue first, -1 to 1
  for (let i = 0; i < WIDTH * HEIGHT; i++)
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(((planes[(2 - c) * WIDTH * HEIGHT + i] as number) * 0.5 + 0.5) * 255);
  writeFileSync(`examples/images/line-${name}.png`, encode({ width: WIDTH, height: HEIGHT, data, channels: 3, depth: 8 }));
}
