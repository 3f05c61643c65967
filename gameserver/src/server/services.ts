import { clipText, plainProblem, toPlain } from "@atlasnet/core";
import type { Plain, Response } from "@atlasnet/world";

/** What a world reaches with `ctx.request(name, payload)`. May be asked twice after a crash: by id. */
export type Service = (
  payload: Plain,
  request: { shard: string; epoch: number; id: number; signal: AbortSignal },
) => Promise<Plain>;

/** A request without an answer after this long gets the code `timeout`. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** Runs the requests of worlds against services and brings every one of them an answer. */
export class Services {
  private readonly services: ReadonlyMap<string, Service>;
  private readonly answer: (shard: string, response: Response) => void;
  private readonly timeoutMs: number;

  constructor(
    services: ReadonlyMap<string, Service>,
    answer: (shard: string, response: Response) => void,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ) {
    this.services = services;
    this.answer = answer;
    this.timeoutMs = timeoutMs;
  }

  /** `epoch`: at which the shard asked. */
  ask(
    shard: string,
    request: { id: number; service: string; payload: Plain },
    epoch: number,
  ): void {
    const { id, service, payload } = request;
    const handler = this.services.get(service);
    if (handler === undefined)
      return this.answer(shard, { id, ok: false, code: "unknown-service" });
    const signal = AbortSignal.timeout(this.timeoutMs);
    const expired = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new RequestTimeout()), { once: true });
    });
    // A service that throws at once fails like one that rejects.
    const called = Promise.resolve().then(() => handler(payload, { shard, epoch, id, signal }));
    Promise.race([called, expired]).then(
      (value) => {
        if (plainProblem(value) !== undefined)
          this.answer(shard, { id, ok: false, code: "bad-answer" });
        else this.answer(shard, { id, ok: true, value: toPlain(value) });
      },
      (error: unknown) => this.answer(shard, { id, ok: false, code: codeOf(error) }),
    );
  }
}

const MAX_CODE_BYTES = 64;

class RequestTimeout extends Error {
  readonly code = "timeout";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? clipText(error.code, MAX_CODE_BYTES)
    : "service-failed";
}
