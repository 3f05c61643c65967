import type { Clock } from "@atlasnet/core";
import type { CliIo } from "../cli-io.ts";
import { Footer } from "./footer.ts";
import { coloursWanted, harmless, linePrefix } from "./log-lines.ts";
import { prettyLine } from "./pretty-line.ts";
import { type NodeRow, type NodeState, renderCluster } from "./table.ts";

/** For terminals that do not say. */
const DEFAULT_SIZE = { rows: 24, columns: 80 };
/** What the cluster itself says. */
const OWN_PREFIX = "cluster";

export interface ConsoleViewOptions {
  readonly nodes: readonly string[];
  /** Lines of logs, which are JSON, are written for people. */
  readonly pretty: boolean;
}

export interface ConsoleViewDependencies {
  readonly io: Pick<CliIo, "talk" | "live" | "liveSize" | "env">;
  readonly clock: Clock;
  rows(): readonly NodeRow[];
}

const STATE_TEXTS: { readonly [S in NodeState]: string } = {
  starting: "starts",
  ready: "is ready",
  failing: "is failing",
  draining: "is stopping",
  restarting: "died",
  exited: "has ended",
};

/**
 * What is seen of a cluster: the lines of its processes, each with the node in front; on a terminal a table below
 * them that stays, elsewhere a line for each change of state.
 */
export class ConsoleView {
  private readonly dependencies: ConsoleViewDependencies;
  private readonly nodes: readonly string[];
  private readonly colours: boolean;
  private readonly pretty: boolean;
  private readonly footer: Footer | undefined;

  constructor({ nodes, pretty }: ConsoleViewOptions, dependencies: ConsoleViewDependencies) {
    this.nodes = nodes;
    this.pretty = pretty;
    this.dependencies = dependencies;
    const { io, clock } = dependencies;
    const live = io.live === true;
    this.colours = coloursWanted(live, io.env);
    if (live && io.env["TERM"] !== "dumb")
      this.footer = new Footer({
        clock,
        out: io.talk,
        rows: () => this.size().rows,
        lines: () => this.table(),
      });
  }

  /** A line of a process. */
  line(node: string, text: string): void {
    const prefix = linePrefix(node, this.nodes.indexOf(node), this.colours);
    const end = this.colours ? "\u001b[0m" : "";
    for (const part of this.pretty ? prettyLine(text, this.colours) : [text])
      this.print(prefix + harmless(part, this.colours) + end);
  }

  /** Something that happened to a process, said in any case. */
  event(node: string, text: string): void {
    this.print(`${linePrefix(OWN_PREFIX, this.nodes.length, this.colours)}${node} ${text}`);
  }

  /** A change of state: the table shows it, or else a line says it; a note is said in any case. */
  changed(node: string, state: NodeState, note: string, pid: number | undefined): void {
    this.footer?.refresh();
    if (this.footer !== undefined && note === "") return;
    const process = pid === undefined ? "" : ` (process ${pid})`;
    this.event(node, `${STATE_TEXTS[state]}${process}${note === "" ? "" : `: ${note}`}`);
  }

  /** Text that stands by itself. */
  block(text: string): void {
    this.print(text.replace(/\n$/, ""));
  }

  refresh(): void {
    this.footer?.refresh();
  }

  /** Takes the table away. Idempotent. */
  end(): void {
    this.footer?.end();
  }

  private print(text: string): void {
    if (this.footer === undefined) this.dependencies.io.talk(`${text}\n`);
    else this.footer.print(text);
  }

  private table(): string[] {
    // A column stays free: some terminals wrap when the last one is written to.
    const width = this.size().columns - 1;
    return ["", ...renderCluster(this.dependencies.rows(), { width, colours: this.colours })];
  }

  private size(): { rows: number; columns: number } {
    const { rows, columns } = this.dependencies.io.liveSize?.() ?? DEFAULT_SIZE;
    return { rows: rows || DEFAULT_SIZE.rows, columns: columns || DEFAULT_SIZE.columns };
  }
}
