/** The cpu target against the reference: all op samples, small nets, the module contract. */

import type { Backend } from "../backends/backend.ts";
import { conformance } from "../backends/conformance.ts";
import { cpu } from "../backends/cpu/index.ts";

conformance(cpu as unknown as Backend, { required: true });
