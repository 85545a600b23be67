/** Every complete net that ships, save the deepest (nets-deep.test.ts, nets-inception.test.ts), on cpu and tfjs against the f64 reference. */
import { beforeAll, expect, test } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { cpu } from "../backends/cpu/index.ts";
import { tfjs } from "../backends/tfjs/index.ts";
import { describeNets } from "./judges/describe-nets.ts";
import { useTfjs } from "./judges/tfjs-backend.ts";
import { depthOf, wholeNets } from "./judges/whole-nets.ts";

beforeAll(() => useTfjs("wasm"));

test("the nets that ship are found", () => {
  expect(wholeNets().map((n) => n.net)).toEqual(expect.arrayContaining(["se_block", "se_resnet50", "mobilenet_v3_large", "senet154"]));
});

describeNets(
  wholeNets().filter((n) => depthOf(n) === "usual"),
  [cpu, tfjs] as unknown as Backend[],
);
