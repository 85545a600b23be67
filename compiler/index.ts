/**
 * The public API of the compiler. Everything outside `compiler/` that is not a backend imports from here.
 * Text or JSON -> `check` -> graph; `optimizeGraph`, `lowerGraph` and the weights functions take it from there.
 */
export { costOf, type GraphCost, type NodeCost } from "./analysis/cost.ts";
export { type Diagnostic, Diagnostics, type Extra, type Fix, type Label, type Message, type Severity } from "./diagnostics/diagnostic.ts";
export { explanations, messages } from "./diagnostics/messages.gen.ts";
export {
  diagnosticToJson,
  plainTheme,
  type RenderOptions,
  renderGithub,
  renderJson,
  renderText,
  type Theme,
} from "./diagnostics/render.ts";
export { nearest, nearestFirst } from "./diagnostics/suggest.ts";
export { type CheckedNet, check, compileFrontend, type Frontend, type FrontendOptions, parseSelectorText } from "./frontend.ts";
export type { Host, ReadBytesResult, ReadResult } from "./host.ts";
export {
  type ImportedModel,
  type ImportedNet,
  type ImportOptions,
  type ImportProblem,
  importModel,
  type ReadModelPart,
} from "./import/index.ts";
export { isNetName, netName } from "./import/net-draft.ts";
export { type ImportOnnx, importOnnx } from "./import/onnx.ts";
export { InternalError, invariant, must } from "./invariant.ts";
export type { Attrs, Graph, Init, Node, Output, Value, Weight } from "./ir/graph.ts";
export { hashGraph } from "./ir/hash.ts";
export type { Kernel, Program } from "./ir/kernel.ts";
export { printProgram } from "./ir/print-program.ts";
export { type Dim, type DType, numel, shapeText, type TensorType } from "./ir/type.ts";
export { LIMITS } from "./limits.ts";
export { type LowerOptions, lowerGraph } from "./lower.ts";
export { graphText as printGraph } from "./ops/graph-text.ts";
export { allOps, isOpName, opOf } from "./ops/index.ts";
export type { OpDef } from "./ops/op.ts";
export { kernelPasses } from "./passes/kernel-pipeline.ts";
export type { OptimizeLevel, Remark } from "./passes/pass.ts";
export { graphPasses, type OptimizeOptions, optimizeGraph, type PassReport, runKernelPasses } from "./passes/pipeline.ts";
export { type Drawn, type DrawOptions, drawNet, type PictureFormat, pictureFormats } from "./picture/index.ts";
export { runReference } from "./reference/run.ts";
export { signatureText } from "./semantics/expand-arguments.ts";
export {
  buildGraph,
  type Definition,
  type ExpandOptions,
  expandAnew,
  expandCallAt,
  expandNet,
  type FileScope,
  type GraphOptions,
  inferTree,
  libraryBlocks,
  loadWorkspace,
  type NetTree,
  pathOf,
  type Scope,
  type SpecValue,
  type TreeNode,
  uniquePaths,
  type Workspace,
} from "./semantics/index.ts";
export { listPlaces, type Place } from "./semantics/list-places.ts";
export { matchTaps } from "./semantics/match-taps.ts";
export { pinExpectations } from "./semantics/pin-expectations.ts";
export { type Position, position, type SourceFile, type Span, sourceFile, span } from "./source.ts";
export type { Selector, SpecFile } from "./syntax/ast.ts";
export { formatText as format } from "./syntax/format.ts";
export { formatJson, toJson as specToJson } from "./syntax/format-json.ts";
export { isJson, parseSpec } from "./syntax/parse.ts";
export { jsonSchema } from "./syntax/schema.ts";
export { type Region, type VectorMemory, vectorMemory } from "./vectors/memory.ts";
export { type MatchOptions, type MatchResult, matchWeights, type WeightPlan } from "./weights/check.ts";
export { checkValues } from "./weights/check-values.ts";
export { fitsWhole, tensorNamesKey } from "./weights/fitting.ts";
export { isWrittenNpy, type NpyArray, readNpy, readNpz, writeNpy } from "./weights/npy.ts";
export { randomInput } from "./weights/random-input.ts";
export { type ReaderOptions, TENSOR, weightReader } from "./weights/reader.ts";
export { parseRename, type RenameRule, ruleText } from "./weights/rename.ts";
export {
  type ByteSource,
  bytesSource,
  type OpenResult,
  openSafetensors,
  type StoredTensor,
  type TensorFile,
} from "./weights/safetensors.ts";
export { isShardIndex, openShards } from "./weights/shards.ts";
export type { WeightReader } from "./weights/source.ts";
export { writeStateDict } from "./weights/write.ts";
