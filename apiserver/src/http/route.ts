import type { Readable } from "node:stream";
import type { Change, WatchRequest } from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "./api-error.ts";

/** What a token allows; each includes those before it. */
export const ROLES = ["read", "operate", "admin"] as const;
export type Role = (typeof ROLES)[number];

export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Whose token it is. */
export interface Caller {
  /** Of the token. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
}

export interface Call {
  /** Undefined on routes for anyone. */
  readonly caller: Caller | undefined;
  /** Address that the request came from. */
  readonly from: string;
  /** Of the header `idempotency-key`: the same for every retry of one change. */
  readonly id: string | undefined;
}

interface RouteHead {
  /** As in OpenAPI: `/v1/nodes/{node}`. */
  readonly path: string;
  readonly method: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  /** The operation, also in the audit log: `kv.put`. */
  readonly name: string;
  readonly summary: string;
  readonly role: Role | "anyone";
  /** True: it is written to the audit log. */
  readonly changes: boolean;
  /** Of a body of JSON; undefined: what the server allows. */
  readonly maxBodyBytes?: number | undefined;
}

/** Strings from the path and the query, checked and converted. */
interface RouteSchemas {
  readonly params: v.GenericSchema;
  readonly query: v.GenericSchema;
  readonly body: v.GenericSchema | undefined;
}

export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** How one is answered. */
export type Route = RouteHead &
  RouteSchemas &
  (
    | {
        readonly kind: "json";
        readonly answer: v.GenericSchema;
        readonly status: 200 | 201;
        run(raw: RawInput, call: Call): Promise<unknown>;
      }
    | {
        readonly kind: "events";
        /** Of the events called `changed`. */
        readonly answer: v.GenericSchema;
        run(raw: RawInput): Promise<EventSource>;
      }
    | {
        readonly kind: "download";
        run(raw: RawInput, call: Call): Promise<AsyncIterable<Uint8Array>>;
      }
    | {
        readonly kind: "upload";
        readonly answer: v.GenericSchema;
        run(raw: RawInput & { readonly body: Readable }, call: Call): Promise<unknown>;
      }
  );

/** What a stream of events watches, and what it tells of it. */
export interface EventSource {
  readonly request: WatchRequest;
  /** The data of an event, or undefined when nothing of it is to be told. */
  present(change: Change): unknown;
}

const NOTHING = v.strictObject({});
type Nothing = v.InferOutput<typeof NOTHING>;

type Head = Omit<RouteHead, "changes"> & { readonly changes?: boolean };

interface Schemas<P, Q, B> {
  readonly params?: v.GenericSchema<unknown, P>;
  readonly query?: v.GenericSchema<unknown, Q>;
  readonly body?: v.GenericSchema<unknown, B>;
}

export interface Input<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** A route whose question and answer are JSON. */
export function jsonRoute<A, P = Nothing, Q = Nothing, B = undefined>(
  spec: Head &
    Schemas<P, Q, B> & {
      readonly answer: v.GenericSchema<unknown, A>;
      readonly status?: 200 | 201;
      handle(input: Input<P, Q, B>, call: Call): Promise<A>;
    },
): Route {
  const { head, parse } = common(spec);
  return {
    ...head,
    kind: "json",
    answer: spec.answer,
    status: spec.status ?? 200,
    run: async (raw, call) => spec.handle(parse(raw), call),
  };
}

/** A route that answers with server-sent events. */
export function eventsRoute<P = Nothing, Q = Nothing>(
  spec: Head &
    Schemas<P, Q, undefined> & {
      readonly answer: v.GenericSchema;
      handle(input: Input<P, Q, undefined>): EventSource;
    },
): Route {
  const { head, parse } = common(spec);
  return {
    ...head,
    kind: "events",
    answer: spec.answer,
    run: async (raw) => spec.handle(parse(raw)),
  };
}

/** A route that answers with bytes. */
export function downloadRoute(
  spec: Head & { handle(call: Call): Promise<AsyncIterable<Uint8Array>> },
): Route {
  const { head, parse } = common<Nothing, Nothing, undefined>(spec);
  return {
    ...head,
    kind: "download",
    run: async (raw, call) => {
      parse(raw);
      return spec.handle(call);
    },
  };
}

/** A route that takes bytes, and answers with JSON. */
export function uploadRoute<A, P = Nothing, Q = Nothing>(
  spec: Head &
    Schemas<P, Q, undefined> & {
      readonly answer: v.GenericSchema<unknown, A>;
      handle(body: Readable, input: Input<P, Q, undefined>, call: Call): Promise<A>;
    },
): Route {
  const { head, parse } = common<P, Q, undefined>(spec);
  return {
    ...head,
    kind: "upload",
    answer: spec.answer,
    run: async (raw, call) => {
      const input = parse({ ...raw, body: undefined });
      return spec.handle(raw.body, input, call);
    },
  };
}

function common<P, Q, B>(spec: Head & Schemas<P, Q, B>) {
  const { path, method, name, summary, role, maxBodyBytes } = spec;
  const schemas: RouteSchemas = {
    params: spec.params ?? NOTHING,
    query: spec.query ?? NOTHING,
    body: spec.body,
  };
  const changes = spec.changes ?? false;
  const head = { path, method, name, summary, role, changes, maxBodyBytes, ...schemas };
  const parse = (raw: RawInput): Input<P, Q, B> => {
    const params = checked("path", schemas.params, raw.params);
    const query = checked("query", schemas.query, raw.query);
    if (spec.body === undefined && raw.body !== undefined && raw.body !== null)
      throw new ApiError("bad-request", `${name} takes no body`);
    const body = spec.body === undefined ? undefined : checked("body", spec.body, raw.body);
    // The schemas are those of the types, if they were given, and the defaults of both agree.
    return { params, query, body } as Input<P, Q, B>;
  };
  return { head, parse };
}

/** Problems of one request that are named. */
const MAX_ISSUES = 5;

/** @throws ApiError "bad-request", which names the fields. */
function checked(place: string, schema: v.GenericSchema, value: unknown): unknown {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = v.getDotPath(issue);
    return path === null ? `${place}: ${issue.message}` : `${place}.${path}: ${issue.message}`;
  });
  throw new ApiError(
    "bad-request",
    problems.join("; ").slice(0, 1000),
    "GET /v1/openapi.json says what is allowed.",
  );
}
