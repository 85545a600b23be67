/** Random nets on the other targets that need no device. */
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { onnx } from "../../backends/onnx/index.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { randomNets } from "./judge.ts";

const of = (backend: unknown): Backend => backend as Backend;

randomNets(of(cpu), { nets: 60 });
randomNets(of(cpu), { nets: 30, level: 0 });
randomNets(of(tfjs), { nets: 60 });
randomNets(of(onnx), { nets: 60 });
