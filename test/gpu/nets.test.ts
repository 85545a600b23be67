/** Nets that ship, one or more of each family and all placements of the gate, on webgpu against the f64 reference. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { describeNets } from "../judges/describe-nets.ts";
import { wholeNets } from "../judges/whole-nets.ts";

/** Of the families that came later, test/nets has some on the other targets; `npm run test:zoo` runs all nets here too. */
const CHOSEN = [
  "mobilenet_v3_large",
  "plain",
  "resnet18",
  "resnet50",
  "se_3x3",
  "se_attention",
  "se_block",
  "se_identity",
  "se_post",
  "se_pre",
  "se_resnet50",
  "senet154",
  "scse_unet",
];
const nets = wholeNets().filter((n) => process.env.SEC_ALL_NETS || CHOSEN.includes(n.net));

test("all of them are there", () => {
  expect(nets.map((n) => n.net)).toEqual(expect.arrayContaining(CHOSEN));
});

describeNets(nets, [webgpu] as unknown as Backend[]);
