/** The order in which test files start: the longest first, so that at the end both cores are busy. By default large files come first. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Half a minute and more on two cores, longest first. */
export const LONGEST = [
  "test/zoo/gated-torch.test.ts",
  "test/pytorch.test.ts",
  "test/nets/part-5.test.ts",
  "test/pytorch-numbers-1.test.ts",
  "test/pytorch-numbers-2.test.ts",
  "test/pytorch-numbers-3.test.ts",
  "test/nets/part-1.test.ts",
  "test/nets/part-2.test.ts",
  "test/nets/part-3.test.ts",
  "test/nets/part-4.test.ts",
  "test/torch.test.ts",
];

const rankOf = ({ moduleId }: TestSpecification): number => {
  const at = LONGEST.findIndex((file) => moduleId.endsWith(file));
  return at < 0 ? LONGEST.length : at;
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}
