/** The commander program: global options, the list of commands, usage errors as coded diagnostics. */
import path from "node:path";
import { Command, CommanderError, Option } from "commander";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import { InternalError } from "../compiler/invariant.ts";
import type { CommandHost, Register } from "./command.ts";
import { Interrupted } from "./interruptible.ts";
import type { Io } from "./io.ts";
import { parseInteger } from "./options.ts";
import { packageVersion } from "./package-root.ts";
import { EXIT, type GlobalOptions, openSession, type Session } from "./session.ts";
import { type WarningLevel, warningName } from "./warning-levels.ts";

interface ListedCommand {
  readonly name: string;
  readonly summary: string;
  /** Imported when the command line names it: a command pays for what it needs only. */
  readonly load: () => Promise<Register>;
}

/** In the order of use, which is the order of the help. */
const COMMANDS: readonly ListedCommand[] = [
  {
    name: "compile",
    summary: "write one folder per net and target",
    load: async () => (await import("./commands/compile.ts")).compileCommand,
  },
  {
    name: "check",
    summary: "report problems, write nothing",
    load: async () => (await import("./commands/check.ts")).checkCommand,
  },
  {
    name: "import",
    summary: "a network of another tool as a spec and its weights",
    load: async () => (await import("./commands/import.ts")).importCommand,
  },
  {
    name: "run",
    summary: "run one net on given inputs",
    load: async () => (await import("./commands/run.ts")).runCommand,
  },
  {
    name: "verify",
    summary: "compare targets with the f64 reference",
    load: async () => (await import("./commands/verify.ts")).verifyCommand,
  },
  {
    name: "bench",
    summary: "latency, GFLOP/s, share of the peak, per layer",
    load: async () => (await import("./commands/bench.ts")).benchCommand,
  },
  {
    name: "inspect",
    summary: "layers, shapes, parameters, MACs, memory",
    load: async () => (await import("./commands/inspect.ts")).inspectCommand,
  },
  {
    name: "ls",
    summary: "places of a net, or what a selector matches",
    load: async () => (await import("./commands/ls.ts")).lsCommand,
  },
  {
    name: "expand",
    summary: "the net with everything expanded, as flat JSON",
    load: async () => (await import("./commands/expand.ts")).expandCommand,
  },
  {
    name: "compare",
    summary: "what an edit adds: parameters, MACs, bytes",
    load: async () => (await import("./commands/compare.ts")).compareCommand,
  },
  {
    name: "graph",
    summary: "a picture of a net: SVG, Mermaid, DOT, HTML",
    load: async () => (await import("./commands/graph.ts")).graphCommand,
  },
  {
    name: "weights",
    summary: "what of a weight file fits a net; converts it",
    load: async () => (await import("./commands/weights.ts")).weightsCommand,
  },
  {
    name: "fmt",
    summary: "rewrite specs in canonical form",
    load: async () => (await import("./commands/fmt.ts")).fmtCommand,
  },
  {
    name: "explain",
    summary: "what a diagnostic means and how to fix it",
    load: async () => (await import("./commands/explain.ts")).explainCommand,
  },
  {
    name: "targets",
    summary: "targets, their options, where each comes from",
    load: async () => (await import("./commands/targets.ts")).targetsCommand,
  },
  {
    name: "ops",
    summary: "layers, their arguments, op × target table",
    load: async () => (await import("./commands/ops.ts")).opsCommand,
  },
  {
    name: "init",
    summary: "a small project, no questions",
    load: async () => (await import("./commands/init.ts")).initCommand,
  },
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
    2  wrong usage: flag, command, target, config, missing or unreadable file, unwritable output;
       verify: no target could run here
    3  verify: numbers differ
   70  a bug in sec
  130  interrupted
`;

function parseWarning(text: string, earlier: Record<string, WarningLevel> = {}): Record<string, WarningLevel> {
  const refuse = (problem: string): CommanderError => new CommanderError(EXIT.usage, "commander.invalidArgument", problem);
  const match = /^([\w-]+)=(off|warn|error)$/.exec(text);
  if (!match) throw refuse(`-W wants NAME=off|warn|error, got ${text}`);
  const name = warningName(match[1] as string);
  if (typeof name !== "string") throw refuse(`-W: ${name.problem}`);
  return { ...earlier, [name]: match[2] as WarningLevel };
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
    warnings: (o.W as Record<string, WarningLevel> | undefined) ?? {},
  };
}

/** A session for problems found before any command could open its own; of the global options, those that were read by then hold. */
function bareSession(io: Io, program: Command, args: readonly string[]): Session {
  return openSession(io, { ...globals(io, program), json: args.includes("--json") });
}

function configure(c: Command, io: Io): void {
  c.exitOverride();
  c.configureHelp({ showGlobalOptions: true });
  c.configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: () => undefined, // usage errors are printed as diagnostics
    getOutHelpWidth: () => HELP_WIDTH,
    getErrHelpWidth: () => HELP_WIDTH,
  });
  c.helpOption("-h, --help", "show help");
}

/** `args` decide which commands are loaded; the others are a name and a line of help. */
export async function buildProgram(io: Io, host: CommandHost, args: readonly string[]): Promise<Command> {
  const program = new Command("sec");
  program
    .description("Compiles convolutional networks with squeeze-and-excitation to standalone modules.")
    .version(packageVersion(), "-V, --version", "show the version")
    .addHelpText("after", EXAMPLES);
  withGlobals(program);
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).description(summary);
    if (args.includes(name)) (await load())(command, host);
  }
  program.helpCommand("help [command]", "show help of a command");
  for (const c of [program, ...program.commands]) configure(c, io);
  return program;
}

function usageProblem(session: Session, program: Command, error: CommanderError, args: readonly string[]): void {
  const asked = error.code === "commander.help" ? args.filter((a) => !a.startsWith("-")).slice(1) : args;
  const first = asked.find((a) => !a.startsWith("-"));
  const known = program.commands.map((c) => c.name());
  const text = error.message.replace(/^error: /, "").replace(/\.?\s*\(Did you mean[\s\S]*$/, "");
  if (
    error.code === "commander.unknownCommand" ||
    error.code === "commander.help" ||
    (first !== undefined && !known.includes(first) && error.code === "commander.excessArguments")
  ) {
    const name = first ?? "";
    const close = nearest(name, known);
    session.usage(messages.SE520.command({ name }), undefined, close ? { help: `did you mean \`sec ${close}\`?` } : {});
    return;
  }
  const command = program.commands.find((c) => c.name() === first);
  const near = /Did you mean (?:one of )?([^?]+)\?/.exec(error.message)?.[1] ?? begunOption(command, error.message);
  const help = near ? { help: `did you mean \`${near}\`?` } : {};
  const problem = text.replaceAll("'", "`");
  session.usage(
    command === undefined ? messages.SE520.global({ problem }) : messages.SE520.option({ problem, command: command.name() }),
    undefined,
    help,
  );
}

/** `--out` for `--out-dir`, which is too far away for commander. */
function begunOption(command: Command | undefined, message: string): string | undefined {
  const given = /unknown option '(--[^']{2,})'/.exec(message)?.[1];
  return given === undefined ? undefined : command?.options.find(({ long }) => long?.startsWith(given))?.long;
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
  const program = await buildProgram(io, host, args);
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
      const session = bareSession(io, program, args);
      usageProblem(session, program, error, args);
      return session.finish();
    }
    return error instanceof Interrupted ? EXIT.interrupted : reportBug(io, error, args);
  }
}
