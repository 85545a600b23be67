/**
 * Which text a kernel gets for which device. A module holds one list of shaders per mode; the host picks a mode when it loads and never
 * mixes them.
 */
import { unreachable } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import { geometryOf } from "./contract.ts";
import { printQuad, quadFits } from "./contract-quad.ts";
import { printRegister } from "./contract-register.ts";
import { printTiled, tiledGroups } from "./contract-tiled.ts";
import { printDepthwise } from "./depthwise.ts";
import { printExcite } from "./excite.ts";
import { printLoop } from "./loops.ts";
import { frameOf, type Shader, type Surroundings } from "./shader.ts";

export type Variant = "register" | "tiled";

export interface Mode {
  readonly variant: Variant;
  /** Storage and weights in f16 (feature shader-f16); sums stay f32. */
  readonly half: boolean;
  /** The user asked for this variant: no kernel takes another form for being small. */
  readonly forced: boolean;
}

/** Fewer workgroups than this leave a device idle; the register form then has finer grains. */
const FEWEST_GROUPS = 16;

export function modesOf(variant: Variant | "auto", f16: boolean): Mode[] {
  const variants: readonly Variant[] = variant === "auto" ? ["register", "tiled"] : [variant];
  const forced = variant !== "auto";
  return variants.flatMap((v) => (f16 ? [false, true] : [false]).map((half): Mode => ({ variant: v, half, forced })));
}

/** `shared`: inputs to bind like outputs (`sharedInputs`). */
export function printKernel(around: Surroundings, kernel: Kernel, mode: Mode, shared: ReadonlySet<Value>): Shader {
  const frame = frameOf(around, kernel, { half: mode.half }, shared);
  switch (kernel.kind) {
    case "loop":
      return printLoop(frame, kernel);
    case "contract": {
      const geometry = geometryOf(frame, kernel);
      if (mode.variant === "register") return quadFits(geometry) ? printQuad(frame, kernel) : printRegister(frame, kernel);
      const [x, y, z] = tiledGroups(geometry);
      return !mode.forced && x * y * z < FEWEST_GROUPS ? printRegister(frame, kernel) : printTiled(frame, kernel);
    }
    case "depthwise":
      return printDepthwise(frame, kernel);
    case "excite":
      return printExcite(frame, kernel, mode.variant === "register");
    default:
      return unreachable(kernel, "kernel kind");
  }
}
