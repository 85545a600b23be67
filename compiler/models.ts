/** What `net A from onnx "FILE"` needs besides `nets.ts`: a module of its own, so that it is loaded where a spec names a model file. */
export { importOnnx } from "./import/onnx.ts";
