import type { Attach, Hello, ResumeClaims, UpstreamKind } from "@atlasnet/core";
import type { CloseCode, Plain } from "@atlasnet/world";

/** Who is behind a hello: from a ticket, a resume token, or made up for a guest. */
export interface Identity {
  account: string;
  name: string;
  data: Plain;
  /** The session to return to, from a resume token. */
  session?: number;
}

export interface UpstreamItem {
  kind: UpstreamKind;
  n: number;
  index: number;
  payload: Uint8Array;
}

/** An attach, but for where it goes. */
export type AttachContent = Omit<Attach, "type" | "shard" | "epoch" | "attach">;

/** What an `Attachment` asks of its surroundings, in order. */
export type AttachmentEffect =
  /** Find out who it is; answered by `identified` or `refused`. */
  | { type: "identify"; hello: Hello }
  /** Find the owner of the world, not before `notBefore`; answered by `routed`, `unknownWorld` or `noOwner`. */
  | { type: "route"; world: string; notBefore: number }
  | { type: "unroute" }
  /** Attach and let the shard's batches flow to the client, held back until `release`. */
  | { type: "attach"; message: AttachContent }
  /** Give the attachment up; the shard hears about it. */
  | { type: "detach" }
  /** Forget the attachment; the shard knows already, or is gone. */
  | { type: "unfollow" }
  | { type: "leave" }
  | { type: "upstream"; item: UpstreamItem }
  /** What the client sent was of a timeline that is over, and is dropped. */
  | { type: "stale" }
  /** Make a resume token; answered by `signed`. */
  | { type: "sign"; claims: ResumeClaims }
  | { type: "send"; item: Uint8Array }
  | { type: "pong"; t: number }
  | { type: "release" }
  | { type: "pause" }
  | { type: "resume" }
  | { type: "close"; code: CloseCode; reason: string };
