import { builtInBackends } from "../../backends/registry.ts";
import { describeOcr } from "../judges/ocr.ts";

describeOcr((await builtInBackends()).filter((b) => b.name === "webgpu"));
