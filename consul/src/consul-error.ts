import { OperatingError } from "@atlasnet/core";

export type ConsulErrorCode =
  /** No answer, or none in time. */
  | "consul-unreachable"
  /** The token does not allow it, or there is none. */
  | "consul-forbidden"
  /** It answered with an error of its own: no leader, a limit, an older version. */
  | "consul-refused"
  /** What is kept there is not what this version writes. */
  | "consul-unreadable"
  /** What is kept there went back to an older state, or is gone. */
  | "consul-went-back";

/** Something between this process and Consul is not as it needs to be. */
export class ConsulError extends OperatingError {
  declare readonly code: ConsulErrorCode;
  /** Of the HTTP answer, where there was one. */
  readonly status: number | undefined;

  constructor(
    code: ConsulErrorCode,
    message: string,
    { status, ...options }: { hint?: string; cause?: unknown; status?: number } = {},
  ) {
    super(code, message, options);
    this.status = status;
  }
}

/** What the client of the package `consul` rejected with, as an error that says what to do. */
export function consulError(what: string, address: string, cause: unknown): ConsulError {
  const status = statusOf(cause);
  const said = cause instanceof Error ? cause.message : String(cause);
  if (status === undefined)
    return new ConsulError(
      "consul-unreachable",
      `${what}: no answer from the Consul agent at ${address}`,
      {
        cause,
        hint: `See whether an agent runs there (\`consul members -http-addr=${address}\`) and whether discovery.consul.address names it. It is asked again until it answers.`,
      },
    );
  if (status === 403 || status === 401)
    return new ConsulError("consul-forbidden", `${what}: Consul does not allow it (${said})`, {
      cause,
      status,
      hint: "discovery.consul.token has to name a file with a token whose policy allows it: docs/consul.md lists the rules.",
    });
  return new ConsulError("consul-refused", `${what}: Consul answered ${status} (${said})`, {
    cause,
    status,
    hint: "See the log of the Consul agent, and `consul operator raft list-peers` for whether its servers have a leader.",
  });
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("response" in error)) return undefined;
  const { response } = error;
  if (typeof response !== "object" || response === null || !("statusCode" in response))
    return undefined;
  return typeof response.statusCode === "number" ? response.statusCode : undefined;
}
