import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";

/** A UDP socket of a test: texts come in and go out. Closed when the test ends. */
export interface UdpPeer {
  readonly port: number;
  readonly texts: string[];
  /** Ports that sent something, in order, each once. */
  readonly from: number[];
  send(text: string, port: number): void;
}

/** `answer` makes it a server: what it gives for a text goes back to whoever sent it. */
export async function udpPeer(
  t: TestContext,
  answer: (text: string) => string | undefined = () => undefined,
): Promise<UdpPeer> {
  const socket: Socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const texts: string[] = [];
  const from: number[] = [];
  socket.on("message", (bytes, { port }) => {
    const text = bytes.toString();
    texts.push(text);
    if (!from.includes(port)) from.push(port);
    const back = answer(text);
    if (back !== undefined) socket.send(back, port, "127.0.0.1");
  });
  return {
    port: socket.address().port,
    texts,
    from,
    send: (text, port) => socket.send(text, port, "127.0.0.1"),
  };
}
