import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { LoadedConfig } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";

/** By their paths, as in `proxy.port`. */
export interface Settings {
  readonly [path: string]: string;
}

/** A folder for as long as a test, and what is to be undone before it goes, the last first. */
export class Workplace {
  readonly dir: string;
  private readonly steps: (() => unknown)[] = [];
  private readonly done = new Map<string, Promise<unknown>>();

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async create(t: TestContext): Promise<Workplace> {
    const place = new Workplace(await mkdtemp(join(tmpdir(), "atlasnet-test-")));
    place.undo(() => rm(place.dir, { recursive: true, force: true }));
    t.after(async () => {
      for (const step of place.steps.splice(0).reverse()) await step();
    });
    return place;
  }

  undo(step: () => unknown): void {
    this.steps.push(step);
  }

  /** Does what has this name unless it was done here before. */
  async once(name: string, action: () => Promise<unknown>): Promise<void> {
    const doing = this.done.get(name) ?? action();
    this.done.set(name, doing);
    await doing;
  }

  /**
   * The configuration of a node that keeps what it has below the folder, and takes any free ports.
   * `worlds` are as in ATLASNET_WORLDS: `name=module,…`.
   */
  load(node: string, settings: Settings = {}): Promise<LoadedConfig> {
    const given: Settings = {
      "node.id": node,
      "data.dir": join(this.dir, node),
      "health.port": "0",
      "apiserver.port": "0",
      "http.enabled": "false",
      "links.host": "127.0.0.1",
      "links.port": "0",
      "proxy.host": "127.0.0.1",
      "proxy.port": "0",
      "gameserver.threads": "1",
      ...settings,
    };
    const flags = Object.entries(given).flatMap(([path, text]) =>
      // Worlds are flags of their own: `--world a=a.js --world b=b.js`.
      (path === "worlds" ? text.split(",") : [text]).map((it) => ({
        name: `--${path}`,
        path,
        text: it,
      })),
    );
    return loadConfig({ env: {}, flags, workingDir: this.dir });
  }
}
