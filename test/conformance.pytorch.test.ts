/** The pytorch target against the reference: all op samples and small nets, as one class; blocks and groups are tested in pytorch.test.ts. */
import type { Backend } from "../backends/backend.ts";
import { conformance } from "../backends/conformance.ts";
import { pytorch } from "../backends/pytorch/index.ts";

// no passes: every level gives the same files
conformance(pytorch as unknown as Backend, { required: process.env.CI !== undefined, levels: [2], isModule: false });
