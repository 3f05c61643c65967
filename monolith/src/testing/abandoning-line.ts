import { connect, createServer, type Socket } from "node:net";

/** A TCP line on which clients can go missing without the server noticing. */
export interface AbandoningLine {
  /** `host:port` that clients connect to. */
  readonly address: string;
  /** From here on what clients say is on its way, and does not arrive before `arrive`. */
  hold(): void;
  /**
   * The clients' ends break, and nobody answers there any more; the server's stay open, as with a
   * machine that lost its power.
   */
  abandon(): void;
  /** What was on its way arrives. */
  arrive(): void;
  /** The server has closed every connection. */
  readonly deserted: boolean;
  stop(): void;
}

/** A line to `host:port`. Only for tests. */
export async function startAbandoningLine(target: string): Promise<AbandoningLine> {
  const near = new Set<Socket>();
  const far = new Set<Socket>();
  let held: (() => void)[] | undefined;
  const colon = target.lastIndexOf(":");
  const port = Number(target.slice(colon + 1));
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: target.slice(0, colon), port, noDelay: true });
    near.add(client);
    far.add(upstream);
    client.on("data", (chunk) => {
      if (held === undefined) upstream.write(chunk);
      else held.push(() => upstream.write(chunk));
    });
    upstream.on("data", (chunk) => client.write(chunk));
    // Nobody is left to be told of what went wrong on a broken end.
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    client.on("close", () => near.delete(client));
    upstream.on("close", () => {
      far.delete(upstream);
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a port was asked for");
  return {
    address: `127.0.0.1:${address.port}`,
    hold: () => {
      held ??= [];
    },
    abandon: () => {
      server.close();
      for (const socket of near) socket.destroy();
    },
    arrive: () => {
      const late = held ?? [];
      held = undefined;
      for (const write of late) write();
    },
    get deserted() {
      return far.size === 0;
    },
    stop: () => {
      server.close();
      for (const socket of [...near, ...far]) socket.destroy();
    },
  };
}
