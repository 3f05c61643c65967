import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { describeError, OperatingError } from "@atlasnet/core";

/**
 * How `atlasnet dev cluster` is spoken to while it runs: a socket of this machine that only its user may open. A
 * client sends one line with a word; the answer is lines of JSON, the last of which says how it ended.
 */

/** Longer ones are no command. */
const MAX_COMMAND_BYTES = 64;

type Answer =
  | { readonly said: string }
  | { readonly done: true }
  | { readonly failed: { readonly code: string; readonly message: string; readonly hint: string } };

/** Does what is asked for, and tells people what it does. @throws what they are to see */
export type ClusterCommand = (say: (text: string) => void) => Promise<void>;

/** Paths of sockets are short on most systems, those of folders are not. */
function pathOf(dir: string): string {
  const name = createHash("sha256").update(resolve(dir)).digest("hex").slice(0, 24);
  return process.platform === "win32"
    ? `\\\\.\\pipe\\atlasnet-${name}`
    : join(tmpdir(), `atlasnet-${name}.sock`);
}

/** The side of the cluster. One folder has one cluster at a time: a socket that nobody answers at is an old one's. */
export class ControlSocket {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly path: string;

  private constructor(path: string, commands: ReadonlyMap<string, ClusterCommand>) {
    this.path = path;
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
      // Who asked is gone: what was asked for goes on.
      socket.on("error", () => socket.destroy());
      this.take(socket, commands).catch(() => socket.destroy());
    });
  }

  /** @throws OperatingError when a cluster runs in that folder, or the socket cannot be made */
  static async open(
    dir: string,
    commands: ReadonlyMap<string, ClusterCommand>,
  ): Promise<ControlSocket> {
    const path = pathOf(dir);
    const old = await reach(path);
    if (old !== undefined) {
      old.destroy();
      throw new OperatingError("cluster-runs", `a cluster runs in ${dir} already`, {
        hint: "Stop it, or choose another folder with --dir.",
      });
    }
    if (process.platform !== "win32") await rm(path, { force: true });
    const socket = new ControlSocket(path, commands);
    socket.server.listen(path);
    await once(socket.server, "listening");
    if (process.platform !== "win32") await chmod(path, 0o600);
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    if (process.platform !== "win32") await rm(this.path, { force: true });
  }

  private async take(socket: Socket, commands: ReadonlyMap<string, ClusterCommand>): Promise<void> {
    const answer = (line: Answer) => socket.write(`${JSON.stringify(line)}\n`);
    const word = await firstLine(socket);
    const command = word === undefined ? undefined : commands.get(word);
    if (command === undefined) {
      const message = `${word === undefined ? "nothing" : `"${word}"`} is no command`;
      answer({ failed: { code: "unknown-command", message, hint: "" } });
      return void socket.end();
    }
    try {
      await command((said) => answer({ said }));
      answer({ done: true });
    } catch (error) {
      const { code, hint } =
        error instanceof OperatingError ? error : { code: "failed", hint: undefined };
      answer({ failed: { code, message: describeError(error), hint: hint ?? "" } });
    }
    socket.end();
  }
}

/** Asks the cluster of a folder. @throws OperatingError when none runs there, and what the command failed for */
export async function askCluster(
  dir: string,
  command: string,
  say: (text: string) => void,
): Promise<void> {
  const socket = await reach(pathOf(dir));
  if (socket === undefined)
    throw new OperatingError("no-cluster", `no cluster runs in ${dir}`, {
      hint: "Start one with: atlasnet dev cluster, or name its folder with --dir.",
    });
  try {
    socket.write(`${command}\n`);
    for await (const line of createInterface({ input: socket })) {
      const answer: Answer = JSON.parse(line);
      if ("said" in answer) say(answer.said);
      else if ("done" in answer) return;
      else {
        const { code, message, hint } = answer.failed;
        throw new OperatingError(code, message, { hint });
      }
    }
    throw new OperatingError("no-cluster", "the cluster ended before it had answered", {
      hint: "See what it wrote.",
    });
  } finally {
    socket.destroy();
  }
}

/** A connection, or undefined when nobody is there. */
async function reach(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    return undefined;
  }
}

async function firstLine(socket: Socket): Promise<string | undefined> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
    if (text.length > MAX_COMMAND_BYTES) return undefined;
  }
  return undefined;
}
