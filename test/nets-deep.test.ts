/** The deepest nets that ship, on cpu and tfjs against the f64 reference: a file of their own, so that it runs beside the others. */
import { beforeAll } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { cpu } from "../backends/cpu/index.ts";
import { tfjs } from "../backends/tfjs/index.ts";
import { describeNets } from "./judges/describe-nets.ts";
import { useTfjs } from "./judges/tfjs-backend.ts";
import { depthOf, wholeNets } from "./judges/whole-nets.ts";

beforeAll(() => useTfjs("wasm"));

describeNets(
  wholeNets().filter((n) => depthOf(n) === "deepest"),
  [cpu, tfjs] as unknown as Backend[],
);
