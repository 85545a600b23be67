/** `sec weights FILE --net NET`: what of a weight file fits a net, what is missing, which renames would help; -o writes the converted file. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { checkValues, type MatchResult, ruleText, shapeText, weightReader, writeStateDict } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { loadOneNet } from "../frontend.ts";
import { interruptible } from "../interruptible.ts";
import { type MatchingOptions, withMatching, withSeed } from "../options.ts";
import { bytesText, diagnosticToJson, shellWord, table } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { matchFile, openWeights } from "../weights.ts";
import { writeArtifacts } from "../write.ts";

interface WeightsOptions extends MatchingOptions {
  readonly net?: string;
  readonly seed: number;
  readonly init?: "default" | "paper";
  readonly out?: string;
  readonly force?: boolean;
}

/** Longer lists end in a count; --json has all. */
const SHOWN = 10;

interface Row {
  readonly what: string;
  readonly name: string;
  readonly detail: string;
}

const listed = (what: string, rows: readonly Omit<Row, "what">[]): Row[] => [
  ...rows.slice(0, SHOWN).map((r, i) => ({ what: i === 0 ? `${what} ${rows.length}` : "", ...r })),
  ...(rows.length > SHOWN ? [{ what: "", name: `... and ${rows.length - SHOWN} more`, detail: "" }] : []),
];

function report(match: MatchResult): string {
  const rows: Row[] = [
    { what: `fits ${match.fits}`, name: `of ${match.total} tensors`, detail: "" },
    ...listed(
      "missing",
      match.missing.map((w) => ({ name: w.path, detail: shapeText(w.value.type.shape) })),
    ),
    ...listed(
      "extra",
      match.extra.map((t) => ({ name: t.name, detail: shapeText(t.shape) })),
    ),
    ...listed(
      "misshapen",
      match.misshapen.map((m) => ({ name: m.name, detail: `wants ${shapeText(m.want)}, the file has ${shapeText(m.have)}` })),
    ),
    ...listed(
      "renames",
      match.renames.map((r) => ({ name: `--rename ${ruleText(r.rule)}`, detail: `${r.tensors} ${r.tensors === 1 ? "fits" : "fit"}` })),
    ),
    ...listed(
      "other nets",
      match.fitsOther.map((net) => ({ name: net, detail: "all fit" })),
    ),
  ];
  return table(rows.map((r) => [r.what, r.name, r.detail]));
}

const tensor = (name: string, dtype: string, shape: readonly unknown[]): object => ({ name, dtype: dtype.toLowerCase(), shape });

function json(net: string, file: string, match: MatchResult): object {
  return {
    net,
    file,
    fits: match.fits,
    total: match.total,
    missing: match.missing.map((w) => tensor(w.path, w.value.type.dtype, w.value.type.shape)),
    extra: match.extra.map((t) => tensor(t.name, t.dtype, t.shape)),
    misshapen: match.misshapen,
    fitsOther: match.fitsOther,
    renames: match.renames.map((r) => ({ from: r.rule.from.join("."), to: r.rule.to.join("."), tensors: r.tensors })),
    problems: match.diagnostics.map(diagnosticToJson),
  };
}

/** Where -o leads; undefined after a reported problem. */
function outputOf(session: Session, out: string): { folder: string; name: string; shown: string } | undefined {
  const absolute = path.resolve(session.options.directory, out);
  const isFolder = existsSync(absolute) && statSync(absolute).isDirectory();
  if (isFolder || !absolute.endsWith(".safetensors")) {
    session.usage(messages.SE520.value({ option: "-o", want: "a file that ends in .safetensors", given: out }));
    return undefined;
  }
  return { folder: path.dirname(absolute), name: path.basename(absolute), shown: path.dirname(out).split(path.sep).join("/") };
}

export const weightsCommand: Register = (command, host) => {
  withMatching(withSeed(command))
    .argument("<file>", "safetensors file, or the index of a sharded set")
    .option("--net <NET>", "spec file, FILE#NET, or a shipped net")
    .option("-o, --out <FILE>", "write the net's whole state dict, under its own names")
    .option("--force", "overwrite a file that sec did not write")
    .addHelpText(
      "after",
      "\nExamples:\n  sec weights resnet50.safetensors --net resnet50\n  sec weights old.safetensors --net n --rename se_module=se -o new.safetensors\n  sec weights w.safetensors --net net.se#edited --json | jq .renames",
    )
    .action(
      action<[string], WeightsOptions>(host, async (session, options, file) => {
        if (options.net === undefined) {
          session.usage(messages.SE520.option({ problem: "`sec weights` needs `--net NET`, the net the file is for", command: "weights" }));
          return undefined;
        }
        const target = options.out === undefined ? undefined : outputOf(session, options.out);
        const net = await loadOneNet(session, options.net, "weights FILE --net", options.init ? { init: options.init } : {});
        const opened = net && openWeights(session, { ...options, weights: file });
        if (!net || !opened?.file) return undefined;
        try {
          const match = matchFile(session, net.graph, opened.file, options);
          const problems = match.plan ? checkValues(match.plan, opened.file) : [];
          if (session.failed) return undefined;
          const all = { ...match, diagnostics: [...match.diagnostics, ...problems] };
          const failed = !match.plan || problems.some((d) => d.severity === "error");
          if (!session.options.json) {
            session.out(report(match));
            for (const line of match.log.slice(1)) session.note(`weights: ${line}`);
            for (const d of all.diagnostics) session.diagnostics.add(d);
          }
          if (!failed && match.plan && target && !session.failed) {
            const reader = weightReader({ plan: match.plan, file: opened.file, seed: options.seed });
            const contents = await interruptible(() => writeStateDict(net.graph, reader));
            const artifact = { path: target.name, contents, mediaType: "application/octet-stream" };
            if (!writeArtifacts(session, target.folder, [artifact], { force: options.force === true, shown: target.shown }))
              return undefined;
            session.note(
              `wrote ${options.out}: ${net.graph.weights.filter((w) => w.init.kind !== "derived").length} tensors, ${bytesText(contents.length)}; next: sec run ${shellWord(options.net)} --weights ${shellWord(options.out as string)}`,
            );
          } else if (!failed && !session.failed && !session.options.json) {
            session.note(`it fits; next: sec run ${shellWord(options.net)} --weights ${shellWord(file)}`);
          }
          if (session.options.json) session.json(json(net.name, file, all));
          // with --json the problems are part of the result
          return failed ? EXIT.errors : EXIT.ok;
        } finally {
          opened.close();
        }
      }),
    );
};
