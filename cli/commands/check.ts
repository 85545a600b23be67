/** `sec check FILE...`: reports problems, writes nothing. */
import { action, type Register } from "../command.ts";
import { readConfig } from "../config.ts";
import { buildNet, loadSpec } from "../frontend.ts";
import { type NetOptions, type SizeOptions, withNet, withShape } from "../options.ts";
import { diagnosticToJson } from "../report.ts";
import { EXIT, type Session } from "../session.ts";
import { watchFiles } from "../watch.ts";

interface CheckOptions extends NetOptions, Pick<SizeOptions, "shape"> {
  readonly watch?: boolean;
}

async function checkOnce(session: Session, options: CheckOptions, files: readonly string[]): Promise<readonly string[]> {
  const read: string[] = [];
  // for the levels of warnings
  if (!(await readConfig(session))) return read;
  for (const file of files) {
    const before = session.diagnostics.errors;
    const spec = await loadSpec(session, file, { net: options.net, stdinName: options.stdinName });
    if (!spec) continue;
    read.push(...spec.workspace.files.map((f) => f.name));
    if (spec.argument.path !== undefined) read.push(spec.argument.path);
    for (const name of spec.names) buildNet(session, spec, name, options.shape ? { shape: options.shape } : {});
    if (session.diagnostics.errors === before && !session.options.json) {
      session.note(`${spec.argument.shown}: ${spec.names.length === 1 ? `\`${spec.names[0]}\` is` : `${spec.names.length} nets are`} fine`);
    }
  }
  return read;
}

export const checkCommand: Register = (command, host) => {
  withShape(withNet(command))
    .argument("<file...>", "spec files (.se, .json), shipped nets, or -")
    .option("-w, --watch", "check again on change")
    .addHelpText("after", "\nExamples:\n  sec check net.se\n  sec check nets/*.se --error-format github\n  cat net.se | sec check - --json")
    .action(
      action<[readonly string[]], CheckOptions>(host, async (session, options, files) => {
        if (options.watch) return watchFiles(session, files, (s) => checkOnce(s, options, files));
        await checkOnce(session, options, files);
        if (session.options.json && !session.failed) session.json({ diagnostics: session.diagnostics.all.map(diagnosticToJson) });
        return EXIT.ok;
      }),
    );
};
