import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Logger, OperatingError } from "@atlasnet/core";
import fastifyStatic from "@fastify/static";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { indexPage } from "./index-page.ts";

export interface HostedPage {
  world: string;
  file: string;
}

export interface PageServerOptions {
  host: string;
  port: number;
  /** The operator's own pages, served at `/` instead of the list of worlds. */
  staticDir?: string;
  /** Where players connect; pages read it from `/atlasnet.json`. */
  playersPort: number;
  secure: boolean;
  /** A function is asked for each request: worlds come and go. */
  worlds: readonly HostedPage[] | (() => readonly HostedPage[]);
}

/** Files of pages that came later: no hidden ones, and none outside of the folder. */
const PLAIN_PATH = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

/** The client SDK in one file, for pages without a bundler. */
const CLIENT_URL = "/atlasnet-client.js";

/**
 * Serves pages: a world that has a folder `page` (`pageFolders` says where) is played at `/<world>/`;
 * `/` lists the worlds, or serves the operator's own folder.
 */
export class PageServer {
  private readonly options: PageServerOptions;
  private readonly logger: Logger;
  private app: FastifyInstance | undefined;

  constructor(options: PageServerOptions, { logger }: { logger: Logger }) {
    this.options = options;
    this.logger = logger;
  }

  get address(): { host: string; port: number } | undefined {
    const address = this.app?.server.address();
    return typeof address === "object" && address !== null
      ? { host: this.options.host, port: address.port }
      : undefined;
  }

  private worlds(): readonly HostedPage[] {
    const { worlds } = this.options;
    return typeof worlds === "function" ? worlds() : worlds;
  }

  /** @throws OperatingError when the port cannot be had. */
  async start(): Promise<void> {
    const { host, port, staticDir, playersPort, secure } = this.options;
    const worlds = () => this.worlds();
    const app = fastify({ logger: false, forceCloseConnections: true });
    this.app = app;
    const pages = worlds().flatMap(({ world, file }) => {
      const folders = pageFolders(file);
      return folders.length === 0 ? [] : [{ world, folders }];
    });
    app.get("/atlasnet.json", (_request, reply) =>
      reply.send({ port: playersPort, secure, worlds: worlds().map(({ world }) => world) }),
    );
    app.setNotFoundHandler((request, reply) => this.serveLater(request, reply));
    await this.serveClient(app);
    for (const { world, folders } of pages) {
      await app.register(fastifyStatic, {
        root: folders,
        // Without the slash at the end, so that `/world` is redirected to `/world/`.
        prefix: `/${world}`,
        decorateReply: false,
        redirect: true,
      });
    }
    if (staticDir !== undefined) {
      if (!existsSync(staticDir))
        throw new OperatingError("no-static-dir", `http.staticDir: no folder ${staticDir}`, {
          hint: "Give the folder of your pages, or leave the setting out.",
        });
      await app.register(fastifyStatic, { root: staticDir, prefix: "/", decorateReply: false });
    } else {
      app.get("/", (_request, reply) => {
        const listed = worlds().map(({ world, file }) => ({
          world,
          playable: pageFolders(file).length > 0,
        }));
        return reply.type("text/html; charset=utf-8").send(indexPage(listed));
      });
      // Browsers ask for it everywhere, and complain in the console of pages that name none.
      app.get("/favicon.ico", (_request, reply) => reply.code(204).send());
    }
    await this.listen(app, host, port);
  }

  /** Pages of worlds that came after the start, which have no route of their own. */
  private serveLater(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const [path = ""] = request.url.split("?");
    const [, world = "", slash = "", rest = ""] = /^\/([A-Za-z][\w-]*)(\/?)(.*)$/.exec(path) ?? [];
    const hosted = this.worlds().find((it) => it.world === world);
    const file = rest === "" ? "index.html" : rest;
    const folder =
      hosted &&
      pageFolders(hosted.file).find((it) => PLAIN_PATH.test(file) && existsSync(join(it, file)));
    if (folder === undefined) return reply.code(404).send({ statusCode: 404, error: "Not Found" });
    return slash === "" ? reply.redirect(`/${world}/`) : reply.sendFile(file, folder);
  }

  private async serveClient(app: FastifyInstance): Promise<void> {
    const file = clientBundle();
    if (file === undefined) {
      this.logger.warn("The client bundle is not built: pages cannot load it.", {
        url: CLIENT_URL,
      });
      return;
    }
    await app.register(fastifyStatic, { root: dirname(file), serve: false });
    app.get(CLIENT_URL, (_request, reply) => reply.sendFile("atlasnet-client.js"));
  }

  private async listen(app: FastifyInstance, host: string, port: number): Promise<void> {
    try {
      await app.listen({ host, port });
    } catch (cause) {
      throw new OperatingError("port-in-use", `http.port: cannot listen on ${host}:${port}`, {
        cause,
        hint: "Stop the program that listens there, choose another http.port, or set http.enabled to false.",
      });
    }
  }

  async stop(): Promise<void> {
    await this.app?.close();
    this.app = undefined;
  }
}

/**
 * Where a world's page is: the folder `page` beside the module's file, and the one of the package that
 * the file is in. So a page that was built beside its world (`atlasnet build`) is found, and one whose
 * HTML is kept apart from its compiled scripts (`page/` and `dist/page/`), too.
 */
function pageFolders(file: string): string[] {
  const places = new Set([dirname(file), packageFolder(file) ?? dirname(file)]);
  const folders = [...places].map((place) => join(place, "page")).filter(existsSync);
  return folders.some((folder) => existsSync(join(folder, "index.html"))) ? folders : [];
}

function packageFolder(file: string): string | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function clientBundle(): string | undefined {
  const entry = fileURLToPath(import.meta.resolve("@atlasnet/client"));
  const file = join(dirname(entry), "atlasnet-client.js");
  return existsSync(file) ? file : undefined;
}
