/** The commander program: global options, the list of commands, usage errors as coded diagnostics. */
import path from "node:path";
import { Command, CommanderError, Option } from "commander";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import { InternalError } from "../compiler/invariant.ts";
import type { CommandHost, Register } from "./command.ts";
import { checkCommand } from "./commands/check.ts";
import { compileCommand } from "./commands/compile.ts";
import { expandCommand } from "./commands/expand.ts";
import { explainCommand } from "./commands/explain.ts";
import { fmtCommand } from "./commands/fmt.ts";
import { initCommand } from "./commands/init.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { lsCommand } from "./commands/ls.ts";
import { opsCommand } from "./commands/ops.ts";
import { runCommand } from "./commands/run.ts";
import { targetsCommand } from "./commands/targets.ts";
import { verifyCommand } from "./commands/verify.ts";
import type { Io } from "./io.ts";
import { parseInteger } from "./options.ts";
import { packageVersion } from "./package-root.ts";
import { EXIT, type GlobalOptions, openSession, type Session } from "./session.ts";

/** In the order of use, which is the order of the help. */
const COMMANDS: readonly Register[] = [
  compileCommand,
  checkCommand,
  runCommand,
  verifyCommand,
  inspectCommand,
  lsCommand,
  expandCommand,
  fmtCommand,
  explainCommand,
  targetsCommand,
  opsCommand,
  initCommand,
];

const HELP_WIDTH = 80;
const DEFAULT_MAX_ERRORS = 20;

const EXAMPLES = `
Examples:
  sec compile net.se --target webgpu       write a module that runs in a page
  sec inspect se_resnet50                  layers, shapes, parameters, MACs
  sec verify net.se --target cpu,webgpu    compare targets with the reference

Exit codes: sec help exit-codes`;

const EXIT_CODES = `Exit codes
    0  done; warnings allowed
    1  the spec, weights or imported file has errors, or --check found a difference
    2  wrong usage: flag, command, target, config, missing or unreadable file, unwritable output
    3  verify: numbers differ
   70  a bug in sec
  130  interrupted
`;

type Level = "off" | "warn" | "error";

function parseWarning(text: string, earlier: Record<string, Level> = {}): Record<string, Level> {
  const match = /^([\w-]+)=(off|warn|error)$/.exec(text);
  if (!match) throw new CommanderError(EXIT.usage, "commander.invalidArgument", `-W wants NAME=off|warn|error, got ${text}`);
  return { ...earlier, [match[1] as string]: match[2] as Level };
}

function withGlobals(c: Command): Command {
  return c
    .option("--json", "results as JSON on stdout, and nothing else there")
    .addOption(new Option("--error-format <FORMAT>", "how problems are printed").choices(["text", "json", "github"]).default("text"))
    .option("--max-errors <N>", "print at most N problems", parseInteger(1, 1_000_000), DEFAULT_MAX_ERRORS)
    .option("-W <NAME=LEVEL>", "level of a warning: off, warn or error", parseWarning)
    .option("--config <FILE>", "configuration instead of sec.config.json")
    .option("-C <DIR>", "run as if started in DIR")
    .option("-q, --quiet", "only results and errors")
    .option("--verbose", "more about what is done")
    .addOption(new Option("--color <WHEN>", "colour").choices(["auto", "always", "never"]).default("auto"));
}

function globals(io: Io, command: Command): GlobalOptions {
  const o = command.optsWithGlobals() as Record<string, unknown>;
  return {
    json: o.json === true,
    errorFormat: o.errorFormat as GlobalOptions["errorFormat"],
    maxErrors: o.maxErrors as number,
    quiet: o.quiet === true,
    verbose: o.verbose === true,
    color: o.color as GlobalOptions["color"],
    directory: o.C === undefined ? io.cwd : path.resolve(io.cwd, o.C as string),
    ...(o.config === undefined ? {} : { config: o.config as string }),
    warnings: (o.W as Record<string, Level> | undefined) ?? {},
  };
}

/** A session for problems found before any command could open its own. */
function bareSession(io: Io, args: readonly string[]): Session {
  return openSession(io, {
    json: args.includes("--json"),
    errorFormat: "text",
    maxErrors: DEFAULT_MAX_ERRORS,
    quiet: false,
    verbose: false,
    color: "auto",
    directory: io.cwd,
    warnings: {},
  });
}

function configure(c: Command, io: Io): void {
  c.exitOverride();
  c.configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: () => undefined, // usage errors are printed as diagnostics
    getOutHelpWidth: () => HELP_WIDTH,
    getErrHelpWidth: () => HELP_WIDTH,
  });
  c.helpOption("-h, --help", "show help");
}

export function buildProgram(io: Io, host: CommandHost): Command {
  const program = new Command("sec");
  program
    .description("Compiles convolutional networks with squeeze-and-excitation to standalone modules.")
    .version(packageVersion(), "-V, --version", "show the version")
    .addHelpText("after", EXAMPLES);
  withGlobals(program);
  for (const register of COMMANDS) register(program, host);
  program.helpCommand("help [command]", "show help of a command");
  for (const c of [program, ...program.commands]) configure(c, io);
  return program;
}

function usageProblem(session: Session, program: Command, error: CommanderError, args: readonly string[]): void {
  const first = args.find((a) => !a.startsWith("-"));
  const known = program.commands.map((c) => c.name());
  const text = error.message.replace(/^error: /, "").replace(/\.?\s*\(Did you mean[\s\S]*$/, "");
  const near = /Did you mean (?:one of )?([^?]+)\?/.exec(error.message)?.[1];
  const help = near ? { help: `did you mean \`${near}\`?` } : {};
  if (
    error.code === "commander.unknownCommand" ||
    (first !== undefined && !known.includes(first) && error.code === "commander.excessArguments")
  ) {
    const name = first ?? "";
    const close = nearest(name, known);
    session.usage(messages.SE520.command({ name }), undefined, close ? { help: `did you mean \`sec ${close}\`?` } : {});
    return;
  }
  session.usage(
    messages.SE520.option({ problem: text.replaceAll("'", "`"), command: known.includes(first ?? "") ? (first as string) : "" }),
    undefined,
    help,
  );
}

function reportBug(io: Io, error: unknown, args: readonly string[]): number {
  const verbose = args.includes("--verbose");
  const message = error instanceof Error ? error.message : String(error);
  const kind = error instanceof InternalError ? "an internal check failed" : "an unexpected error";
  io.stderr.write(`error SE900: ${kind}: ${message}\n`);
  io.stderr.write(`  note: this is a bug in sec ${packageVersion()}; your spec should never cause it\n`);
  io.stderr.write(`  help: please report it with this command and the spec: sec ${args.join(" ")}\n`);
  if (verbose && error instanceof Error) io.stderr.write(`${error.stack ?? ""}\n`);
  else io.stderr.write("  (--verbose prints the stack)\n");
  return EXIT.bug;
}

/** Runs one command line and gives its exit code. Never throws. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  let code: number = EXIT.ok;
  const host: CommandHost = {
    session: (command) => openSession(io, globals(io, command)),
    exit: (c) => {
      code = c;
    },
  };
  if (args[0] === "help" && args[1] === "exit-codes") {
    io.stdout.write(EXIT_CODES);
    return EXIT.ok;
  }
  const program = buildProgram(io, host);
  if (args.length === 0) {
    io.stdout.write(program.helpInformation());
    io.stdout.write(`${EXAMPLES}\n`);
    return EXIT.ok;
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      const session = bareSession(io, args);
      usageProblem(session, program, error, args);
      return session.finish();
    }
    return reportBug(io, error, args);
  }
}
