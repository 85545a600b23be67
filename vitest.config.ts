import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

/** Tests start as commands do: they compile hundreds of nets, which takes a sixth less CPU so. */
const setupFiles = ["cli/engine.ts"];

export default defineConfig({
  test: {
    // vitest leaves one core free by default: of two that is half
    maxWorkers: "100%",
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/gpu/**", "test/browser/**"],
          testTimeout: 120_000,
          setupFiles,
        },
      },
      // one device at a time: two workers that each own a software GPU starve each other on two cores
      {
        test: {
          name: "gpu",
          include: ["test/gpu/**/*.test.ts", "test/browser/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          setupFiles,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
