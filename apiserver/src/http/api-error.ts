import { type ControlErrorCode, OperatingError } from "@atlasnet/core";

/** Codes of answers that are not 2xx. Programs go by them, people by the message and the hint. */
export type ApiErrorCode =
  | ControlErrorCode
  | "not-found"
  /** What is there is not what the request assumes. */
  | "conflict"
  /** The world is on its way already. */
  | "migrating"
  /** The node that was named, or every one, cannot take the world. */
  | "no-target"
  /** The group of the apiservers would have nobody left who votes. */
  | "last-voter"
  /** Those who would be left in the group are no quorum. */
  | "below-quorum"
  /** A new apiserver has not caught up with the others in time. */
  | "not-caught-up"
  /** A node is not let in, or not given a certificate: see the CA's refusals. */
  | "bad-csr"
  | "bad-token"
  | "foreign-token"
  | "token-expired"
  | "bad-certificate"
  | "unknown-certificate"
  | "wrong-role"
  | "wrong-node"
  | "node-taken"
  | "too-many-requests"
  /** This apiserver has no such part. */
  | "not-available"
  | "internal";

const STATUS: { readonly [code in ApiErrorCode]: number } = {
  "bad-request": 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  migrating: 409,
  "no-target": 409,
  "last-voter": 409,
  "below-quorum": 409,
  "not-caught-up": 409,
  "no-lease": 409,
  "too-large": 413,
  "too-many-watches": 429,
  "bad-csr": 400,
  "bad-token": 401,
  "foreign-token": 401,
  "token-expired": 401,
  "bad-certificate": 401,
  "unknown-certificate": 401,
  "wrong-role": 403,
  "wrong-node": 403,
  "node-taken": 409,
  "too-many-requests": 429,
  internal: 500,
  "not-available": 501,
  busy: 503,
  "no-quorum": 503,
  unreachable: 503,
  timeout: 504,
  quota: 507,
};

/** What to do, where the error itself does not say. */
const HINTS: { readonly [code in ApiErrorCode]: string } = {
  "bad-request": "GET /v1/openapi.json says what is allowed.",
  unauthorized: "Give a token of this cluster: `authorization: Bearer TOKEN`.",
  forbidden: "Ask an administrator of the cluster.",
  "not-found": "List what there is, and look at the name.",
  conflict: "Read it again, and decide anew.",
  migrating: "Wait until it has arrived, or cancel that migration.",
  "no-target":
    "`atlasnet node ls` shows the nodes; `atlasnet world show` what the world asks of them.",
  "last-voter": "Add another apiserver first.",
  "below-quorum": "Bring the others back first, or add some.",
  "not-caught-up": "Ask again in a while.",
  "no-lease": "The node has to be registered and to renew its lease: its log says why it does not.",
  "too-large": "Send less at a time.",
  "too-many-watches": "Close some, or ask another apiserver.",
  "bad-csr":
    "The node makes its request anew when it starts: use the CLI of the apiserver's version.",
  "bad-token": "Make another one with `atlasnet ca token`.",
  "foreign-token": "Make one with `atlasnet ca token` at the CA of this cluster.",
  "token-expired": "Make another one with `atlasnet ca token`.",
  "bad-certificate": "Join anew with a token of `atlasnet ca token`.",
  "unknown-certificate": "Join anew with a token of `atlasnet ca token`.",
  "wrong-role": "Make a token for that role with `atlasnet ca token`.",
  "wrong-node": "Make a token for that node with `atlasnet ca token`.",
  "node-taken": "Choose another node.id, or make a token that names this node.",
  "too-many-requests": "Wait a second, and ask again.",
  "not-available": "Ask an apiserver that has it; its configuration says so.",
  internal: "The apiserver's log says why.",
  busy: "Ask again in a moment.",
  "no-quorum": "`atlasnet status` says which apiservers are there: a majority has to be.",
  unreachable: "Look whether it runs, and whether the address is right.",
  timeout: "Look whether it was done, and ask again with the same idempotency-key.",
  quota: "Delete what is not needed any more.",
};

/** A request that is answered with an error. */
export class ApiError extends OperatingError {
  declare readonly code: ApiErrorCode;
  constructor(code: ApiErrorCode, message: string, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
  }
}

export function isApiErrorCode(code: string): code is ApiErrorCode {
  return Object.hasOwn(STATUS, code);
}

export interface ErrorAnswer {
  readonly status: number;
  readonly body: { readonly code: ApiErrorCode; readonly message: string; readonly hint: string };
}

/** What the client is told; undefined for a fault of ours, which is for the log alone. */
export function errorAnswer(error: unknown): ErrorAnswer | undefined {
  if (!(error instanceof OperatingError)) return undefined;
  // A record that was refused is a request that was wrong.
  const code = error.code === "bad-record" ? "bad-request" : error.code;
  if (!isApiErrorCode(code)) return undefined;
  const { message, hint } = error;
  return {
    status: STATUS[code],
    body: { code, message, hint: hint ?? HINTS[code] },
  };
}

export const INTERNAL: ErrorAnswer = {
  status: STATUS.internal,
  body: {
    code: "internal",
    message: "the apiserver failed",
    hint: "Its log says why.",
  },
};
