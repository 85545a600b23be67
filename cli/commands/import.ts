/** `sec import MODEL`: a network of another tool as a spec and its weights. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { Option } from "commander";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { type ImportedNet, importModel, isNetName, netName, type ReadModelPart, shapeText, vectorMemory } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { type SizeOptions, withShape } from "../options.ts";
import { bytesText, counted, shellWord, thousands } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { systemReason } from "../spec-files.ts";
import { type FileStore, fileStores, sizesStore } from "../weights-store.ts";
import { writeArtifacts } from "../write.ts";

interface ImportOptions extends Pick<SizeOptions, "shape"> {
  readonly outDir: string;
  readonly name?: string;
  readonly weights?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** Reads files beside the model; undefined for what cannot be read or lies elsewhere. */
const partsBeside =
  (folder: string): ReadModelPart =>
  (location, offset, length) => {
    const file = path.resolve(folder, location);
    if (location === "" || path.isAbsolute(location) || path.relative(folder, file).startsWith("..")) return undefined;
    // a part at a time: such files hold gigabytes, and a model names each of them once for every tensor
    let open: number | undefined;
    try {
      open = openSync(file, "r");
      const end = fstatSync(open).size;
      const wanted = Math.min(length ?? end, end - offset);
      const part = new Uint8Array(Math.max(wanted, 0));
      return part.subarray(0, readSync(open, part, 0, part.length, offset));
    } catch {
      return undefined;
    } finally {
      if (open !== undefined) closeSync(open);
    }
  };

const parameters = (net: ImportedNet): number => [...net.weights.values()].reduce((n, w) => n + w.data.length, 0);

function bytesOf(session: Session, file: string): Uint8Array | undefined {
  try {
    return readFileSync(path.resolve(session.options.directory, file));
  } catch (error) {
    session.usage(messages.SE009.file({ file, reason: systemReason(error) }));
    return undefined;
  }
}

async function importFile(session: Session, options: ImportOptions, file: string): Promise<number | undefined> {
  const { name } = options;
  if (name !== undefined && !isNetName(name)) {
    const want = "letters, digits and `_`, no keyword and no layer's name";
    const help = `\`${netName(name, () => false)}\` would do`;
    session.usage(messages.SE520.value({ option: "--name", want, given: name }), undefined, { help });
    return undefined;
  }
  const bytes = bytesOf(session, file);
  if (!bytes) return undefined;
  const weightBytes = options.weights === undefined ? undefined : bytesOf(session, options.weights);
  if (options.weights !== undefined && !weightBytes) return undefined;
  const shown = options.outDir.split(path.sep).join("/");
  const folder = path.resolve(session.options.directory, options.outDir);
  const store = options.dryRun ? undefined : fileStores(vectorMemory(), session.io.now)(folder);
  try {
    return await importInto(session, options, file, { bytes, weightBytes, store, folder, shown });
  } finally {
    store?.discard();
  }
}

interface Opened {
  readonly bytes: Uint8Array;
  readonly weightBytes: Uint8Array | undefined;
  /** Takes the weights while they are made. */
  readonly store: FileStore | undefined;
  readonly folder: string;
  /** How the folder is called in messages. */
  readonly shown: string;
}

async function importInto(session: Session, options: ImportOptions, file: string, opened: Opened): Promise<number | undefined> {
  const { bytes, weightBytes, store, folder, shown } = opened;
  const imported = await interruptible(() =>
    importModel(bytes, {
      file: path.basename(file),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.shape ? { shapes: options.shape } : {}),
      ...(weightBytes ? { weights: { file: path.basename(options.weights as string), bytes: weightBytes } } : {}),
      store: store ?? sizesStore(),
      readPart: partsBeside(path.dirname(path.resolve(session.options.directory, file))),
    }),
  );
  if ("problem" in imported) {
    session.diagnostics.report(imported.problem, imported.at);
    return undefined;
  }
  const { net, spec, weights } = imported;
  const names = net.inputs.map((i) => i.name);
  const unknown = Object.keys(options.shape ?? {}).find((name) => !names.includes(name) && !names.includes(name.replace(/\W+/g, "_")));
  if (unknown !== undefined) {
    session.usage(messages.SE524.unknown({ net: net.name, name: unknown, names: names.join(", ") }));
    return undefined;
  }
  for (const note of net.notes ?? []) session.diagnostics.report(note);
  const artifacts = [
    { path: `${net.name}.se`, contents: spec, mediaType: "text/plain" },
    ...(weights ? [{ path: `${net.name}.safetensors`, contents: weights, mediaType: "application/octet-stream" }] : []),
  ];
  const stored = store?.stored;
  if (!options.dryRun && !writeArtifacts(session, folder, artifacts, { force: options.force === true, shown, stored })) return undefined;
  const files = artifacts.map((a) => ({ path: path.posix.join(shown, a.path), bytes: Buffer.byteLength(a.contents) }));
  if (session.options.json) {
    session.json({
      net: net.name,
      layers: net.nodes.length,
      params: parameters(net),
      inputs: net.inputs.map((i) => ({ name: i.name, shape: i.shape })),
      outputs: net.outputs.map((o) => o.name),
      files,
    });
    return EXIT.ok;
  }
  const values = weights ? `${thousands(parameters(net))} values` : "no weights";
  const sizes = net.inputs.map((i) => `${i.name} ${shapeText(i.shape)}`).join(", ");
  session.out(`${net.name}    ${counted(net.nodes.length, "layer")} · ${values} · ${sizes}`);
  for (const f of files) session.out(`  ${f.path}  ${bytesText(f.bytes)}${options.dryRun ? "  (not written)" : ""}`);
  const [se, safetensors] = files;
  const spelled = se === undefined ? "" : shellWord(se.path);
  const next = safetensors ? `sec compile ${spelled} --weights ${shellWord(safetensors.path)}` : `sec inspect ${spelled}`;
  if (!options.dryRun) session.note(`next: ${next}`);
  return EXIT.ok;
}

export const importCommand: Register = (command, host) => {
  withShape(command)
    .argument("<model>", "an ONNX model, a TensorFlow.js model (model.json), or a Caffe network (.prototxt)")
    .option("-o, --out-dir <DIR>", "where the spec and the weights go", ".")
    .option("--name <NET>", "what the net is called (default: as the file)")
    .option("--weights <FILE>", "the .caffemodel of a Caffe network; without it only the spec is written")
    .option("-n, --dry-run", "write nothing")
    .addOption(new Option("--force", "overwrite files that sec did not write"))
    .addHelpText(
      "after",
      "\nExamples:\n  sec import model.onnx -o nets\n  sec import ocr.onnx --shape x=1x3x48x192 --json\n  sec import model.json --name mobilenet --shape input_1=1x224x224x3\n  sec import SE-ResNet-50.prototxt --weights SE-ResNet-50.caffemodel",
    )
    .action(action<[string], ImportOptions>(host, (session, options, file) => importFile(session, options, file)));
};
