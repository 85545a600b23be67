/** `sec targets [NAME]`: targets, their options, where each comes from. */
import * as z from "zod";
import { type Backend, builtInBackends, resolveBackend } from "../../backends/registry.ts";
import { action, type Register } from "../command.ts";
import { readConfig } from "../config.ts";
import { packageVersion } from "../package-root.ts";
import { loadInstalledBackend } from "../packages.ts";
import { table } from "../report.ts";
import { EXIT, type Session } from "../session.ts";

interface Row {
  readonly backend: Backend;
  readonly from: string;
}

interface OptionSchema {
  readonly properties?: Record<string, { description?: string; default?: unknown; enum?: readonly unknown[]; type?: string }>;
}

const schemaOf = (b: Backend): OptionSchema => z.toJSONSchema(b.options, { io: "input" }) as OptionSchema;

function print(session: Session, rows: readonly Row[], details: boolean): void {
  if (session.options.json) {
    session.json({
      targets: rows.map(({ backend, from }) => ({
        name: backend.name,
        level: backend.level,
        summary: backend.summary,
        from,
        version: packageVersion(),
        options: schemaOf(backend),
      })),
    });
    return;
  }
  if (!details) {
    session.out(table(rows.map(({ backend, from }) => [backend.name, backend.level, from, backend.summary])));
    return;
  }
  for (const { backend, from } of rows) {
    session.out(`${backend.name}: ${backend.summary} (${backend.level} level, ${from})`);
    const options = Object.entries(schemaOf(backend).properties ?? {});
    if (options.length === 0) session.out("  no options");
    else {
      session.out(
        table(
          options.map(([key, o]) => [
            `--set ${backend.name}.${key}=${o.enum ? o.enum.join("|") : (o.type ?? "value")}`,
            o.default === undefined ? "" : `default ${String(o.default)}`,
            o.description ?? "",
          ]),
        ),
      );
    }
  }
}

export const targetsCommand: Register = (command, host) => {
  command
    .argument("[name]", "one target, with its options")
    .addHelpText("after", "\nExamples:\n  sec targets\n  sec targets webgpu\n  sec targets --json")
    .action(
      action<[string | undefined], object>(host, async (session, _options, name) => {
        const config = await readConfig(session);
        if (!config) return undefined;
        const builtIn = await builtInBackends();
        const rows: Row[] = builtIn.map((backend) => ({ backend, from: "built in" }));
        const usage = { report: session.usage };
        for (const pkg of config.backends ?? []) {
          const backend = await resolveBackend(pkg.replace(/^(.*\/)?sec-backend-/, ""), (p) => loadInstalledBackend(session, p), usage, [
            pkg,
          ]);
          if (backend) rows.push({ backend, from: pkg });
        }
        if (name !== undefined) {
          const known = rows.find((r) => r.backend.name === name);
          const found =
            known?.backend ?? (await resolveBackend(name, (p) => loadInstalledBackend(session, p), usage, config.backends ?? []));
          if (!found) return undefined;
          print(session, [known ?? { backend: found, from: `sec-backend-${name}` }], true);
          return EXIT.ok;
        }
        print(session, rows, false);
        return EXIT.ok;
      }),
    );
};
