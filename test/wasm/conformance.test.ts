/** The wasm target against the reference: all op samples, small nets, the module contract. */

import type { Backend } from "../../backends/backend.ts";
import { conformance } from "../../backends/conformance.ts";
import { wasm } from "../../backends/wasm/index.ts";

conformance(wasm as unknown as Backend, { required: true });
