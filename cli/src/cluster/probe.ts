import { get } from "node:http";
import type { ClusterRole } from "./layout.ts";
import { figuresOf, NO_FIGURES, type NodeFigures, parseMetrics } from "./metrics-text.ts";

/** What a process says of itself. */
export interface Probe {
  readonly health: Health;
  readonly figures: NodeFigures;
}

export type Health =
  | { readonly answers: false; readonly reason: string }
  | {
      readonly answers: true;
      readonly ready: boolean;
      readonly draining: boolean;
      /** Why it is not ready, for people; empty when it is. */
      readonly reason: string;
    };

export interface ProbeOptions {
  readonly host: string;
  readonly port: number;
  readonly role: ClusterRole;
  /** The answers have to be here after so many milliseconds. */
  readonly timeoutMs: number;
}

/** Longest answer that is read; metrics have some ten kilobytes. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Asks a process for its health and its figures. Never throws: no answer is an answer. */
export async function probe({ host, port, role, timeoutMs }: ProbeOptions): Promise<Probe> {
  const ask = (path: string) => request(`http://${host}:${port}${path}`, timeoutMs);
  const [ready, metrics] = await Promise.all([ask("/ready"), ask("/metrics")]);
  const figures =
    metrics.ok && metrics.status === 200 ? figuresOf(role, parseMetrics(metrics.body)) : NO_FIGURES;
  if (!ready.ok) return { health: { answers: false, reason: ready.reason }, figures };
  return { health: readHealth(ready.status, ready.body), figures };
}

/** What `/ready` says: `{"status", "checks": [{"name", "ok", "reason"?}]}`. */
export function readHealth(status: number, body: string): Health {
  const failing = failingChecks(body);
  if (failing === undefined)
    return { answers: false, reason: `/ready answers with status ${status} and no checks` };
  return {
    answers: true,
    ready: status === 200,
    draining: failing.some(({ name }) => name === "draining"),
    reason: failing.map(({ name, reason }) => `${name}: ${reason}`).join("; "),
  };
}

function failingChecks(body: string): { name: string; reason: string }[] | undefined {
  const parsed = parsedJson(body);
  if (!isRecord(parsed) || !Array.isArray(parsed["checks"])) return undefined;
  const checks: unknown[] = parsed["checks"];
  return checks
    .filter(isRecord)
    .filter((check) => check["ok"] !== true)
    .map((check) => ({ name: String(check["name"]), reason: String(check["reason"] ?? "fails") }));
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null;
}

type Answer =
  | { readonly ok: true; readonly status: number; readonly body: string }
  | { readonly ok: false; readonly reason: string };

/** One request over a connection of its own, so that nothing is left open between two of them. */
function request(url: string, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve({ ok: false, reason: error.message });
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = get(url, { agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES)
          response.destroy(new Error(`${url} answers with more than ${MAX_ANSWER_BYTES} bytes`));
      });
      response.on("error", fail);
      response.on("end", () =>
        resolve({
          ok: true,
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    asked.on("error", (error) =>
      fail(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error),
    );
  });
}
