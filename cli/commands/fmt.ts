/** `sec fmt FILE...`: the canonical form of a spec; between text and JSON with --to; writes `expect` counts with --pin. */
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Option } from "commander";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { format, formatJson, loadWorkspace, parseSpec, pinExpectations, type SpecFile } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { importerFor } from "../frontend.ts";
import { shellWord } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { fileHost, readSpecArgument, type SpecArgument, systemReason } from "../spec-files.ts";

interface FmtOptions {
  readonly check?: boolean;
  readonly to?: "se" | "json";
  readonly pin?: boolean;
  readonly dryRun?: boolean;
  readonly stdinName?: string;
}

async function formatted(session: Session, spec: SpecArgument, options: FmtOptions): Promise<string | undefined> {
  const found = new Diagnostics();
  const ast = parseSpec(spec.file, found);
  for (const d of found.all) session.diagnostics.add(d);
  if (!ast || found.hasErrors) return undefined;
  let tree: SpecFile = ast;
  if (options.pin) {
    const workspace = loadWorkspace(spec.file, fileHost(session), session.diagnostics);
    const pinned = session.failed ? undefined : pinExpectations(workspace, session.diagnostics, await importerFor(workspace));
    if (!pinned || session.failed) return undefined;
    tree = pinned;
  }
  const form = options.to ?? (spec.file.name.endsWith(".json") ? "json" : "se");
  return form === "json" ? formatJson(tree) : format(tree);
}

/** Replaces the file in one step; a failure leaves the old one. What is behind a link is replaced, and who may read it stays as it was. */
function replaceFile(session: Session, spec: SpecArgument, path: string, text: string): void {
  let part: string | undefined;
  try {
    const file = realpathSync(path);
    part = `${file}.${process.pid}.part`;
    writeFileSync(part, text, { mode: statSync(file).mode });
    renameSync(part, file);
  } catch (error) {
    if (part !== undefined) rmSync(part, { force: true });
    session.usage(messages.SE522.failed({ path: spec.shown, reason: systemReason(error) }));
  }
}

export const fmtCommand: Register = (command, host) => {
  command
    .argument("<file...>", "spec files, or - for standard input")
    .option("--check", "write nothing; exit 1 when a file would change")
    .addOption(new Option("--to <FORM>", "print the other form on stdout").choices(["se", "json"]).conflicts("check"))
    .option("--pin", "write the number of matches into every edit as `expect`")
    .option("-n, --dry-run", "print the result instead of writing it")
    .option("--stdin-name <NAME>", "what to call standard input; .json chooses the form")
    .addHelpText("after", "\nExamples:\n  sec fmt net.se\n  sec fmt net.se --to json > net.json\n  sec fmt nets/*.se --check")
    .action(
      action<[readonly string[]], FmtOptions>(host, async (session, options, files) => {
        if (session.options.json && options.to !== undefined) {
          session.usage(messages.SE520.option({ problem: "`--to` prints a spec, `--json` only the names: leave one out", command: "fmt" }));
          return undefined;
        }
        const changed: string[] = [];
        for (const file of files) {
          const spec = readSpecArgument(session, file, options.stdinName);
          if (!spec) continue;
          const text = await formatted(session, spec, options);
          if (text === undefined) continue;
          // standard input and nets that ship are no files to write to
          const written = spec.shipped ? undefined : spec.path;
          const prints = options.to !== undefined || options.dryRun === true || written === undefined;
          if (prints && !options.check && !session.options.json) {
            session.out(text);
            continue;
          }
          if (spec.file.text === text) continue;
          changed.push(spec.shown);
          if (written !== undefined && !prints && !options.check) replaceFile(session, spec, written, text);
        }
        if (session.options.json) {
          if (!session.failed) session.json({ changed });
        } else
          for (const name of changed)
            session.note(
              options.check ? `${name} is not in canonical form${name === "-" ? "" : `; sec fmt ${shellWord(name)}`}` : `formatted ${name}`,
            );
        return options.check && changed.length > 0 ? EXIT.errors : EXIT.ok;
      }),
    );
};
