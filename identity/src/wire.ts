import * as v from "valibot";
import { MAX_JOIN_TOKEN_CHARS } from "./join-token.ts";
import { MAX_CSR_CHARS } from "./node-key.ts";
import { isNodeId, ROLES } from "./node-uri.ts";
import { MAX_PROOF_CHARS } from "./renewal-proof.ts";

/** What nodes and `atlasnet ca serve`, or an apiserver, say to each other: JSON over TLS. */

/** Most bytes of a request's body. */
export const MAX_REQUEST_BYTES = 16_384;
/** Most bytes of an answer's body: certificates and key files. */
export const MAX_ANSWER_BYTES = 1_048_576;

/** Longest certificate in a request, PEM. Ours have about 900 characters. */
const MAX_CERTIFICATE_CHARS = 8192;

const csr = v.pipe(v.string(), v.maxLength(MAX_CSR_CHARS));

/** POST /v1/join */
export const JoinRequest = v.strictObject({
  token: v.pipe(v.string(), v.maxLength(MAX_JOIN_TOKEN_CHARS)),
  csr,
  role: v.picklist(ROLES),
  node: v.pipe(v.string(), v.check(isNodeId)),
});

/** POST /v1/renew, with the present certificate in the TLS handshake. */
export const RenewRequest = v.strictObject({ csr });

/**
 * POST /v1/renew of an apiserver, whose TLS asks for no certificate: the present one (PEM), and a proof that who asks
 * has its key (see renewal-proof.ts).
 */
export const ProvedRenewRequest = v.strictObject({
  csr,
  certificate: v.pipe(v.string(), v.maxLength(MAX_CERTIFICATE_CHARS)),
  proof: v.pipe(v.string(), v.maxLength(MAX_PROOF_CHARS)),
});

/** The answer to all. A newer server may say more. */
export const CertificateAnswer = v.object({
  certificate: v.string(),
  authorities: v.string(),
  secrets: v.optional(v.object({ tickets: v.string(), udp: v.string() })),
});
export type CertificateAnswer = v.InferOutput<typeof CertificateAnswer>;

export const RefusalAnswer = v.object({
  code: v.pipe(v.string(), v.maxLength(64)),
  message: v.pipe(v.string(), v.maxLength(2000)),
});

/** Codes of refusals; a client may meet others of a newer server. */
export type RefusalCode =
  | "bad-request"
  | "bad-token"
  | "foreign-token"
  | "token-expired"
  | "wrong-role"
  | "wrong-node"
  | "node-taken"
  | "bad-csr"
  | "bad-certificate"
  | "unknown-certificate"
  | "too-many-requests"
  | "not-found"
  | "failed";
