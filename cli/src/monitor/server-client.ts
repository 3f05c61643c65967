import { get } from "node:http";
import { decodeTopicSequence, OperatingError, type TopicDatagram } from "@atlasnet/core";
import { type CompiledDefinition, compileDefinition, parseDefinition } from "@atlasnet/world";

/** A request takes at most so long, and an answer has at most so many bytes. */
const TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Where a server answers watchers, out of its announcement and the address that came from. */
export function serverUrl(tcp: string, source: string): string {
  return `http://${tcp.startsWith(":") ? source : ""}${tcp}`;
}

/** A server, and what ends its requests early. */
export interface ServerAddress {
  url: string;
  stop: AbortSignal;
}

/** The datagrams behind `after` of a run, or full state. @throws Error saying what the server said. */
export async function fetchTopic(
  server: ServerAddress,
  { world, topic }: { world: string; topic: string },
  { run, after }: { run?: number; after?: number },
): Promise<TopicDatagram[]> {
  const query = run === undefined || after === undefined ? "" : `?run=${run}&after=${after}`;
  return decodeTopicSequence(await fetchBytes(server, `/${world}/${topic}${query}`));
}

/** The definition of a world. @throws Error saying what the server said. */
export async function fetchDefinition(
  server: ServerAddress,
  world: string,
): Promise<CompiledDefinition> {
  const bytes = await fetchBytes(server, `/${world}`);
  return compileDefinition(parseDefinition(JSON.parse(new TextDecoder().decode(bytes))));
}

/** Strangers can name the server: what comes is bounded in bytes and time, and no redirect is followed. */
function fetchBytes({ url, stop }: ServerAddress, path: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT_MS)]);
    const request = get(`${url}/multicast${path}`, { agent: false, signal });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES)
          request.destroy(new Error(`${url}: more than ${MAX_ANSWER_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        const body = Buffer.concat(chunks);
        if (response.statusCode === 200) resolve(body);
        else reject(refusal(response.statusCode, body));
      });
    });
  });
}

function refusal(status: number | undefined, body: Buffer): OperatingError {
  const sentence = printable(body.toString("utf8", 0, 200));
  return new OperatingError("refused", `the server says ${status}: ${sentence}`);
}

/** Text of strangers, without what a terminal would act on. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, " ").trim();
}
