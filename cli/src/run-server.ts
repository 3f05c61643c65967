import type { CliIo } from "./cli-io.ts";
import { aborted } from "./stop-signal.ts";

/** A process of AtlasNet, whatever its role. */
export interface Runnable {
  start(): Promise<void>;
  drain(deadlineMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface RunOptions<Server> {
  /** What is said once it runs. */
  readonly banner: (server: Server) => string;
  /** What a stop in order does meanwhile. */
  readonly stopping: string;
  readonly drainMs: number;
}

/**
 * Runs a server until the process is asked to stop, then stops it in order. `make` gets what the server
 * calls when it must not go on. @throws why it could not start, or had to end.
 */
export async function runServer<Server extends Runnable>(
  io: CliIo,
  make: (onFatal: (error: Error) => void) => Server,
  { banner, stopping, drainMs }: RunOptions<Server>,
): Promise<void> {
  const fatal = fatalError();
  const server = make(fatal.raise);
  try {
    const starting = server.start();
    // A start may wait for others; whoever is asked to stop meanwhile ends at once, with what it began.
    const started = await Promise.race([
      starting.then(() => true),
      aborted(io.stop).then(() => false),
    ]);
    if (!started) {
      await server.stop();
      await starting.catch(() => undefined);
      return;
    }
    if (io.supervised !== true) io.talk(lines(io, banner(server)));
    await Promise.race([aborted(io.stop), fatal.raised]);
    if (io.supervised !== true) io.talk(lines(io, `\n${stopping} Once more to stop at once.\n`));
    await server.drain(drainMs);
  } finally {
    await server.stop();
  }
}

/** A terminal has room around the text; in a file, between lines of a log, there are no empty ones. */
function lines({ live }: CliIo, text: string): string {
  return live === true ? text : text.replaceAll(/^\n|(?<=\n)\n/g, "");
}

/** A fault that comes at any time, as a promise that rejects with it. */
function fatalError(): { raised: Promise<never>; raise(error: Error): void } {
  let raise: (error: Error) => void = () => undefined;
  const raised = new Promise<never>((_, reject) => {
    raise = reject;
  });
  // It may come before anybody waits for it.
  raised.catch(() => undefined);
  return { raised, raise: (error) => raise(error) };
}
