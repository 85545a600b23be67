import { builtInBackends } from "../../backends/registry.ts";
import { describeOcr } from "../judges/ocr.ts";

describeOcr(builtInBackends().filter((b) => b.name === "webgpu"));
