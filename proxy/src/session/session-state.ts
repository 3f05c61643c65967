import type { Attach, Attached, Hello, ResumeClaims } from "@atlasnet/core";
import type { AttachContent, Identity } from "./attachment-effects.ts";
import { bytesOfText, textOfBytes } from "./byte-text.ts";
import { Received } from "./received.ts";

type Position = Pick<
  Attach,
  "session" | "firstUnacked" | "lastReceived" | "timeline" | "welcomed" | "params"
>;

/**
 * What a proxy knows of one client's session: who plays, in which world, and how far each side got. Every
 * attach is made of it, the first one and those anew. Pure. It begins with a hello, and ends with the next
 * one or with `clear`.
 */
export class SessionState {
  /** Of the last hello; empty while there is none. */
  world = "";
  /** Of the last `attached`; from then on attaching anew goes back to that session. */
  session: { readonly session: number; readonly timeline: number } | undefined;
  /** The newest of the client's reliable messages that the shard acknowledged. */
  appliedSeq = 0;
  readonly received = new Received();
  /** Until the shard took it in; of an idle player only what follows is kept. */
  private hello: Hello | undefined;
  /** 8 bytes each, as texts. */
  private stream = "";
  private schema: string | undefined;
  private identity: Identity | undefined;
  private attempt = 0;

  greet(hello: Hello): void {
    this.hello = hello;
    this.world = hello.world;
    this.stream = textOfBytes(hello.stream);
    this.schema = hello.schema && textOfBytes(hello.schema);
  }

  /** It is known who said hello. */
  identified(identity: Identity): void {
    const { hello } = this;
    if (hello === undefined) return;
    this.identity = identity;
    this.attempt = hello.attempt;
    this.appliedSeq = Math.max(0, hello.firstUnacked - 1);
    this.received.begin(hello.lastReceived, hello.timeline);
  }

  /** What the next attach says; undefined before it is known who it is for. */
  attach(): AttachContent | undefined {
    const { identity, schema } = this;
    if (identity === undefined) return undefined;
    const position = this.position(identity);
    if (position === undefined) return undefined;
    const { account, name, data } = identity;
    return {
      account,
      name,
      data,
      stream: bytesOfText(this.stream),
      ...(schema === undefined ? {} : { schema: bytesOfText(schema) }),
      attempt: this.attempt,
      ...position,
    };
  }

  /** Where the client stands: as it said itself, and later as is known from its last attachment. */
  private position(identity: Identity): Position | undefined {
    const { hello, session } = this;
    // The same attempt: the shard takes it again from the same stream, and a client that has gone on
    // to another proxy with the next one stays ahead.
    if (session !== undefined) {
      const welcomed = session.timeline;
      const { seq: lastReceived, timeline = welcomed } = this.received;
      return {
        session: session.session,
        firstUnacked: this.appliedSeq + 1,
        lastReceived,
        timeline,
        ...(timeline === welcomed ? {} : { welcomed }),
      };
    }
    if (hello === undefined) return undefined;
    const { firstUnacked, lastReceived, timeline, params } = hello;
    return {
      ...(identity.session === undefined ? {} : { session: identity.session }),
      firstUnacked,
      lastReceived,
      ...(timeline === undefined ? {} : { timeline }),
      ...(params === undefined ? {} : { params }),
    };
  }

  /** A shard took the client in. True when the world went back since the last time. */
  attached({ session, timeline, attempt, appliedSeq }: Attached): boolean {
    const wentBack = this.session !== undefined && this.session.timeline !== timeline;
    if (wentBack) this.received.wentBack();
    this.received.attached(timeline);
    this.hello = undefined;
    this.session = { session, timeline };
    this.attempt = attempt;
    this.appliedSeq = appliedSeq;
    return wentBack;
  }

  /** What a resume token for the session says, under the account that the shard named. Undefined before there is one. */
  claims(account: string): ResumeClaims | undefined {
    const { identity, world } = this;
    if (identity === undefined || this.session === undefined) return undefined;
    const { name, data } = identity;
    return { account, world, session: this.session.session, name, data };
  }

  /** The player left. */
  clear(): void {
    this.hello = undefined;
    this.world = "";
    this.identity = undefined;
    this.session = undefined;
    this.received.begin(0, undefined);
  }
}
