import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join, relative, resolve, sep } from "node:path";
import { OperatingError } from "@atlasnet/core";
import { type BuildContext, type BuildResult, context } from "esbuild";
import { buildErrors } from "./build-errors.ts";
import {
  type PageSource,
  pageEntries,
  pageHtml,
  pageOptions,
  SOURCE_EXTENSIONS,
} from "./page-bundle.ts";
import { EVENTS_PATH, withOverlay } from "./page-overlay.ts";

export interface PageServerOptions extends PageSource {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

export interface PageServerDependencies {
  /** What pages read from `/atlasnet.json`; the same as the monolith tells them. */
  info(): { port: number; secure: boolean; worlds: readonly string[] };
  /** Errors of the page's own code, for the terminal; empty when it is whole again. */
  onBuild(errors: readonly string[]): void;
}

const INFO_PATH = "/atlasnet.json";
/** Pages that may be open at a time while developing; more get no events. */
const MAX_LISTENERS = 100;

const CONTENT_TYPES = new Map([
  [".html", "text/html; charset=utf-8"],
  [".js", "text/javascript; charset=utf-8"],
  [".mjs", "text/javascript; charset=utf-8"],
  [".css", "text/css; charset=utf-8"],
  [".json", "application/json"],
  [".svg", "image/svg+xml"],
  [".png", "image/png"],
  [".jpg", "image/jpeg"],
  [".webp", "image/webp"],
  [".ico", "image/x-icon"],
  [".wasm", "application/wasm"],
  [".mp3", "audio/mpeg"],
  [".ogg", "audio/ogg"],
  [".woff2", "font/woff2"],
]);

/**
 * Serves a page under development straight from its sources: TypeScript is bundled in memory, open pages
 * reload when something changed, and errors, of the page or of the world, are shown in them.
 */
export class PageServer {
  private readonly options: PageServerOptions;
  private readonly dependencies: PageServerDependencies;
  private readonly folder: string;
  private readonly listeners = new Set<ServerResponse>();
  private scripts: ReadonlyMap<string, Uint8Array> = new Map();
  private pageProblem = "";
  private worldProblem = "";
  private watcher: BuildContext | undefined;
  private server: Server | undefined;

  constructor(options: PageServerOptions, dependencies: PageServerDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.folder = resolve(options.workingDir, options.dir);
  }

  /** Resolves once the first build is done and the port is open. @throws OperatingError */
  async start(): Promise<{ host: string; port: number }> {
    const entries = await pageEntries(this.options);
    let built: () => void = () => undefined;
    const firstBuild = new Promise<void>((resolve) => {
      built = resolve;
    });
    const options = pageOptions(this.options, entries, this.folder);
    this.watcher = await context({
      ...options,
      // The page itself, so that a change of it is noticed like one of a script.
      entryPoints: [...options.entryPoints, join(this.folder, "index.html")],
      loader: { ".html": "copy" },
      sourcemap: "inline",
      plugins: [
        {
          name: "atlasnet-page",
          setup: (plugin) => {
            plugin.onEnd((result) => {
              this.take(result);
              built();
            });
          },
        },
      ],
    });
    await this.watcher.watch();
    await firstBuild;
    return this.listen();
  }

  /** Shows an error of the world in every open page; empty text takes it away. */
  showWorldProblem(text: string): void {
    this.worldProblem = text;
    this.tellProblem();
  }

  async stop(): Promise<void> {
    await this.watcher?.dispose();
    this.watcher = undefined;
    for (const listener of this.listeners) listener.end();
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  private take(result: BuildResult): void {
    const errors = buildErrors(result.errors, this.options.workingDir);
    this.pageProblem = errors.join("\n\n");
    if (errors.length === 0) {
      const files = result.outputFiles ?? [];
      this.scripts = new Map(
        files.map(({ path, contents }) => [urlPath(this.folder, path), contents]),
      );
      this.tell("reload", "");
    } else {
      this.tellProblem();
    }
    this.dependencies.onBuild(errors);
  }

  private tellProblem(): void {
    this.tell("problem", this.problem());
  }

  private problem(): string {
    return [this.worldProblem, this.pageProblem].filter((text) => text !== "").join("\n\n");
  }

  private tell(event: "reload" | "problem", text: string): void {
    for (const listener of this.listeners) listener.write(eventText(event, text));
  }

  private async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.options;
    const server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        response.writeHead(500, { "content-type": "text/plain; charset=utf-8" });
        response.end(error instanceof Error ? error.message : String(error));
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) => {
        reject(
          new OperatingError("cannot-listen", `http.port: ${host}:${port} cannot be opened`, {
            cause,
            hint: "Stop the process that listens there, or choose another http.port.",
          }),
        );
      });
      server.listen(port, host, resolve);
    });
    this.server = server;
    const address = server.address();
    return { host, port: typeof address === "object" && address !== null ? address.port : port };
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405);
    const path = pathOf(request.url ?? "/");
    if (path === undefined) return refuse(response, 400);
    if (path === EVENTS_PATH) return this.subscribe(response);
    if (path === INFO_PATH) return this.tellInfo(response);
    const name = path.endsWith("/") ? `${path}index.html` : path;
    const bytes = await this.contentOf(name);
    if (bytes === undefined) return refuse(response, 404);
    const type = CONTENT_TYPES.get(extname(name).toLowerCase()) ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "cache-control": "no-store" });
    response.end(request.method === "HEAD" ? undefined : bytes);
  }

  private tellInfo(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify(this.dependencies.info()));
  }

  private async contentOf(name: string): Promise<Uint8Array | string | undefined> {
    const script = name.endsWith(".html") ? undefined : this.scripts.get(name);
    if (script !== undefined) return script;
    const file = join(this.folder, ...name.split("/"));
    // Sources are not for browsers, hidden files and what lies elsewhere are for nobody.
    if (!file.startsWith(this.folder + sep) || SOURCE_EXTENSIONS.has(extname(file)))
      return undefined;
    if (name.split("/").some((part) => part.startsWith("."))) return undefined;
    const bytes = await readOrNone(file);
    if (bytes === undefined || !name.endsWith(".html")) return bytes;
    return withOverlay(pageHtml(new TextDecoder().decode(bytes)));
  }

  private subscribe(response: ServerResponse): void {
    if (this.listeners.size >= MAX_LISTENERS) return refuse(response, 503);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    // The problem of now, or that there is none: a page that was away may still show an old one.
    response.write(eventText("problem", this.problem()));
    this.listeners.add(response);
    response.once("close", () => this.listeners.delete(response));
  }
}

function eventText(event: string, text: string): string {
  return `event: ${event}\ndata: ${JSON.stringify(text)}\n\n`;
}

function urlPath(folder: string, file: string): string {
  return `/${relative(folder, file).split(sep).join("/")}`;
}

/** The decoded path of a request, or undefined for one that no browser sends. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(new URL(url, "http://localhost").pathname);
    return path.includes("\0") || path.includes("\\") ? undefined : path;
  } catch (error) {
    if (error instanceof URIError || error instanceof TypeError) return undefined;
    throw error;
  }
}

async function readOrNone(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EISDIR" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${status}\n`);
}
