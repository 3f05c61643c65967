import type { JoinAnswer, RefusalCode } from "@atlasnet/identity/server";
import { RateLimit } from "@atlasnet/identity/server";
import * as v from "valibot";
import { ApiError, type ApiErrorCode } from "../api-error.ts";
import { STRANGER } from "../audit.ts";
import { type Call, jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";

/** How nodes come into the cluster. */
export interface JoiningPort {
  readonly cluster: string;
  /** PEM: CA certificates of the cluster, as renewed last. */
  authorities(): string;
  /** Undefined: this apiserver has no CA, and hands out no certificates. */
  readonly certificates?:
    | {
        join(body: unknown): Promise<JoinAnswer>;
        renewProved(body: unknown): Promise<JoinAnswer>;
      }
    | undefined;
}

/** Joins and renewals of one address, as `atlasnet ca serve` has them. */
const REQUESTS_PER_SECOND = 5;
const REQUEST_BURST = 50;
/** A token, a certificate request, a certificate with those above it: a few KB. */
const MAX_BODY_BYTES = 64 * 1024;

const CODES: { readonly [code in RefusalCode]: ApiErrorCode } = {
  "bad-request": "bad-request",
  "bad-csr": "bad-csr",
  "bad-token": "bad-token",
  "foreign-token": "foreign-token",
  "token-expired": "token-expired",
  "bad-certificate": "bad-certificate",
  "unknown-certificate": "unknown-certificate",
  "wrong-role": "wrong-role",
  "wrong-node": "wrong-node",
  "node-taken": "node-taken",
  "too-many-requests": "too-many-requests",
  "not-found": "not-found",
  failed: "internal",
};

const certificateSchema = v.object({
  certificate: v.string(),
  authorities: v.string(),
  /** For proxies only: what they share. */
  secrets: v.optional(v.object({ tickets: v.string(), udp: v.string() })),
});

/** What a node names in a request, for the audit log; the rest is secret, or long. */
const NAMED = ["role", "node"];

function namedIn(body: { readonly [name: string]: unknown }): { [name: string]: string } {
  return Object.fromEntries(
    NAMED.flatMap((name) => {
      const value = body[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}

/** Open routes: where nodes find the apiservers, and get their certificates. The checks are the CA's own. */
export function joinRoutes(parts: RouteParts): Route[] {
  const { joining, clock, audit } = parts;
  const limit = new RateLimit(
    { perSecond: REQUESTS_PER_SECOND, burst: REQUEST_BURST },
    { now: () => clock.now() },
  );
  const issue = async (
    what: string,
    body: { readonly [name: string]: unknown },
    { from }: Call,
    ask: (service: NonNullable<JoiningPort["certificates"]>) => Promise<JoinAnswer>,
  ) => {
    // Whoever floods us shall not flood the log.
    if (!limit.take(from)) throw new ApiError("too-many-requests", `${from} asks too often`);
    const target = namedIn(body);
    const note = (result: string) => audit.add(STRANGER, { from, what, target, result });
    const { certificates } = joining ?? {};
    if (certificates === undefined) {
      note("not-available");
      throw new ApiError(
        "not-available",
        "this apiserver hands out no certificates",
        "Give one of the apiservers the folder of the cluster's CA (apiserver --ca FOLDER), or join at `atlasnet ca serve`.",
      );
    }
    const answer = await ask(certificates);
    note(answer.ok ? "ok" : answer.code);
    if (!answer.ok) throw new ApiError(CODES[answer.code], answer.message);
    return answer.answer;
  };
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/links",
      name: "links.show",
      summary: "Where the apiservers take links, for nodes that come into the cluster.",
      role: "anyone",
      answer: v.strictObject({
        cluster: v.string(),
        apiservers: v.array(v.strictObject({ node: v.string(), address: v.string() })),
        /** Whether this apiserver hands out certificates. */
        certificates: v.boolean(),
        /** PEM: the cluster's CA certificates. */
        authorities: v.string(),
      }),
      handle: async () => {
        if (joining === undefined)
          throw new ApiError("not-available", "this apiserver takes no nodes");
        return {
          cluster: joining.cluster,
          apiservers: (parts.cluster?.members() ?? []).flatMap(({ node, address }) =>
            address === undefined ? [] : [{ node, address }],
          ),
          certificates: joining.certificates !== undefined,
          authorities: joining.authorities(),
        };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/join",
      name: "links.join",
      summary: "The first certificate of a node, against a join token of `atlasnet ca token`.",
      role: "anyone",
      body: v.record(v.string(), v.unknown()),
      maxBodyBytes: MAX_BODY_BYTES,
      answer: certificateSchema,
      handle: ({ body }, call) => issue("links.join", body, call, (service) => service.join(body)),
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/renew",
      name: "links.renew",
      summary:
        "The next certificate of a node, against its present one and a proof that it has the key.",
      role: "anyone",
      body: v.record(v.string(), v.unknown()),
      maxBodyBytes: MAX_BODY_BYTES,
      answer: certificateSchema,
      handle: ({ body }, call) =>
        issue("links.renew", body, call, (service) => service.renewProved(body)),
    }),
  ];
}
