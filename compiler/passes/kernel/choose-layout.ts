/** Decides how the bytes of every value lie: the backend's order, channels padded to its multiple. Inputs and outputs alike: the host converts. */
import type { Value } from "../../ir/graph.ts";
import type { Program, Storage } from "../../ir/kernel.ts";
import { type Capabilities, defineKernelPass } from "../pass.ts";

const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

/** Rank 4: the order asked for. Other ranks are row-major with the last axis padded: [n][channels], sums [n][tile][channels]. */
export function storageFor(value: Value, { order, channelMultiple }: Capabilities): Storage {
  const shape = value.type.shape as readonly number[];
  const channels = shape.length === 4 ? shape[1] : shape[shape.length - 1];
  const padded = order === "nhwc" ? roundUp(channels ?? 1, channelMultiple) : (channels ?? 1);
  return { order, channels: padded, halo: 0 };
}

const same = (a: Storage | undefined, b: Storage): boolean => a?.order === b.order && a.channels === b.channels && a.halo === b.halo;

export const chooseLayout = defineKernelPass({
  name: "choose-layout",
  summary: "give every value the byte order of the target",
  minLevel: 1,
  run(program, { capabilities }): Program {
    const storage = new Map<Value, Storage>();
    for (const value of program.storage.keys()) storage.set(value, storageFor(value, capabilities));
    return [...storage].every(([v, s]) => same(program.storage.get(v), s)) ? program : { ...program, storage };
  },
});
