/** The onnx target against the reference, run by ONNX Runtime: all op samples at every opset, small nets. */
import type { Backend } from "../backends/backend.ts";
import { conformance } from "../backends/conformance.ts";
import { onnx } from "../backends/onnx/index.ts";

const backend = onnx as unknown as Backend;
const shared = { required: process.env.CI !== undefined, isModule: false };

conformance(backend, { ...shared, options: { opset: 17 } });
conformance(backend, { ...shared, options: { opset: 17, fold: true }, levels: [2] });
for (const opset of [13, 14, 15, 16, 18, 19, 20, 21]) conformance(backend, { ...shared, options: { opset }, levels: [2] });
