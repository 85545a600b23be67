/** The list of long files names files that there are. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { LONGEST } from "./longest-first.ts";

test.each(LONGEST)("%s is there", (file) => expect(existsSync(file)).toBe(true));
