import { createHash, timingSafeEqual } from "node:crypto";
import {
  ControlError,
  type ControlStore,
  decodeCbor,
  encodeCbor,
  type SecureRandom,
  wireInteger,
} from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import { type Caller, ROLES, type Role } from "./route.ts";

/**
 * Tokens of the HTTP API: `atlasnet-api-<id>-<secret>`. The control store holds the hash of the secret under
 * `tokens/<id>`, and never the secret. Secrets are 256 random bits, so a plain hash is enough.
 */

export const TOKENS = "tokens/";
const TOKEN = /^atlasnet-api-([0-9a-f]{16})-([A-Za-z0-9_-]{43})$/;
const SECRET_BYTES = 32;
const ID_BYTES = 8;

export const tokenRecord = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  role: v.picklist(ROLES),
  hash: v.custom<Uint8Array>((value) => value instanceof Uint8Array),
  /** ms since 1970. */
  created: v.number(),
  /** ms since 1970; 0: never. */
  expires: v.number(),
});
export type TokenRecord = v.InferOutput<typeof tokenRecord>;

export interface NewToken {
  readonly id: string;
  /** For its owner, and nobody keeps it. */
  readonly token: string;
  readonly record: TokenRecord;
}

export function createToken(
  about: { name: string; role: Role; created: number; expires: number },
  random: SecureRandom,
): NewToken {
  const id = Buffer.from(random.bytes(ID_BYTES)).toString("hex");
  const secret = Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url");
  return {
    id,
    token: `atlasnet-api-${id}-${secret}`,
    record: { ...about, hash: hashOf(secret) },
  };
}

export function parseToken(text: string): { id: string; hash: Uint8Array } | undefined {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, hash: hashOf(secret) };
}

function hashOf(secret: string): Uint8Array {
  return Uint8Array.from(createHash("sha256").update(secret).digest());
}

export function encodeTokenRecord(record: TokenRecord): Uint8Array {
  const { created, expires } = record;
  return encodeCbor({
    ...record,
    created: wireInteger(created),
    expires: wireInteger(expires),
  }).slice();
}

/** Undefined for what is no record of a token. */
export function decodeTokenRecord(bytes: Uint8Array): TokenRecord | undefined {
  const decoded = decodeCbor(bytes, { maxDepth: 2, maxItems: 16 });
  if (!decoded.ok) return undefined;
  const parsed = v.safeParse(tokenRecord, decoded.value);
  return parsed.success ? parsed.output : undefined;
}

/** Tokens that this node does not know yet are asked for at the leader, so many at a time. */
const MAX_LOOKUPS = 16;

/** Knows who a token belongs to. */
export class TokenVerifier {
  private readonly store: ControlStore;
  private readonly wallTime: () => number;
  /** Of the administrator's file on this machine; good also while nobody leads. */
  private readonly local: ReadonlyMap<string, TokenRecord>;
  private lookups = 0;

  constructor(
    { local }: { local: ReadonlyMap<string, TokenRecord> },
    { store, wallTime }: { store: ControlStore; wallTime: () => number },
  ) {
    this.local = local;
    this.store = store;
    this.wallTime = wallTime;
  }

  /** @throws ApiError "unauthorized"; ControlError when that cannot be said now */
  async verify(header: string | undefined): Promise<Caller> {
    const text = /^Bearer ([^\s]{1,256})$/i.exec(header ?? "")?.[1];
    if (text === undefined)
      throw new ApiError(
        "unauthorized",
        "a token is needed",
        "Send it as `authorization: Bearer TOKEN`. The first one is in the file that the setting apiserver.adminToken names.",
      );
    const token = parseToken(text);
    const record = token && (this.local.get(token.id) ?? (await this.find(token.id)));
    const { hash } = record ?? {};
    const fits =
      token !== undefined &&
      hash?.length === token.hash.length &&
      timingSafeEqual(hash, token.hash);
    if (token === undefined || record === undefined || !fits) throw refused("is not known");
    if (record.expires !== 0 && this.wallTime() >= record.expires) throw refused("has expired");
    return { id: token.id, name: record.name, role: record.role };
  }

  private async find(id: string): Promise<TokenRecord | undefined> {
    const key = `${TOKENS}${id}`;
    const near = await this.store.range({ key, consistency: "local" });
    const [item] = near.items.length > 0 ? near.items : await this.findAtLeader(key);
    return item === undefined ? undefined : decodeTokenRecord(item.value);
  }

  private async findAtLeader(key: string) {
    if (this.lookups >= MAX_LOOKUPS)
      throw new ControlError("busy", `${MAX_LOOKUPS} unknown tokens are being looked up already`, {
        hint: "Try again later.",
      });
    this.lookups += 1;
    try {
      return (await this.store.range({ key })).items;
    } finally {
      this.lookups -= 1;
    }
  }
}

function refused(problem: string): ApiError {
  return new ApiError(
    "unauthorized",
    `the token ${problem}`,
    "Ask an administrator of the cluster for another one.",
  );
}
