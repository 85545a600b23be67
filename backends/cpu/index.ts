/** The cpu target: plain JavaScript that a person can follow, without dependencies; the reference of what every other target computes. */
import * as z from "zod";
import { API_VERSION, defineBackend } from "../backend.ts";
import { emitModule } from "./emit-js.ts";

export const cpu = defineBackend({
  name: "cpu",
  apiVersion: API_VERSION,
  level: "kernel",
  summary: "readable plain JavaScript: one function per layer shape, no dependencies",
  options: z.strictObject({}),
  wholeNetLimit: 1e-5,
  capabilities: {
    order: "nchw",
    channelMultiple: 1,
    halo: false,
    kinds: ["contract", "depthwise", "excite"],
    arenas: "single",
    alignment: 256,
    maxBuffers: Number.MAX_SAFE_INTEGER,
  },
  emit: emitModule,
  runner: async (files, net) => (await import("./run.ts")).runModule(files, net),
  judge: async (files, net) => (await import("../module/import-module.ts")).judgeModule(files, net),
});
