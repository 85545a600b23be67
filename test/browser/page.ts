/** A real page: headless Chromium, and a server on this machine for the files that are put there, under a strict Content-Security-Policy. */
import { createServer, type OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { must } from "../../compiler/invariant.ts";

const TYPES: Readonly<Record<string, string>> = { js: "text/javascript", html: "text/html", wasm: "application/wasm" };

export interface Site {
  /** What is served, by path. */
  readonly served: Map<string, string | Uint8Array>;
  /** Of the server: "http://127.0.0.1:PORT/". */
  readonly address: () => string;
  readonly browser: () => Browser;
}

export interface SiteOptions {
  /** Of Chromium, beside those that keep it quiet. */
  readonly args?: readonly string[];
  readonly headers: (path: string) => OutgoingHttpHeaders;
  /** The key in `served` of a path; default the path. */
  readonly fileOf?: (path: string) => string;
}

/** Both are there while the tests of the file run. */
export function useSite({ args = [], headers, fileOf = (path) => path }: SiteOptions): Site {
  const served = new Map<string, string | Uint8Array>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname.slice(1) || "index.html";
    const contents = served.get(fileOf(path));
    response.writeHead(contents === undefined ? 404 : 200, {
      "Content-Type": TYPES[path.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      ...headers(path),
    });
    response.end(contents ?? "no such file");
  });
  let browser: Browser | undefined;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    browser = await chromium.launch({
      executablePath: must(process.env.CHROMIUM, "CHROMIUM: run through scripts/with-gpu.mjs"),
      args: [...args, "--no-sandbox", ...quiet],
    });
  });
  afterAll(async () => {
    await browser?.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    served,
    address: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    browser: () => must(browser, "browser"),
  };
}
