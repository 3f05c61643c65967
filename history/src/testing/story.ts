import { type Hash, hashMessage } from "../hash.ts";
import type { HistoryEvent, HistoryRecord } from "../record.ts";
import { type DownMessage, type ShardFault, StoryShard, type UpMessage } from "./story-shard.ts";

const SESSION_LOST = 4012;
const TICK_MS = 50;

type FromShard = DownMessage | { readonly ack: number; readonly tick: number } | "asked";

/**
 * Plays a client and a shard by the rules, and records the client's history. What happens is up to who calls; all
 * that follows is worked out.
 */
export class Story {
  readonly records: HistoryRecord[] = [];
  readonly shard = new StoryShard();
  private readonly client: string;
  private at = 0;
  private said = 0;
  private streams = 0;
  private stream = "";
  private attempt = -1;
  private timeline: number | undefined;
  private session: number | undefined;
  private kept: { hash: Hash; sent: boolean }[] = [];
  private base = 1;
  private cursor = 0;
  private received = 0;
  private up: UpMessage[] = [];
  private down: FromShard[] = [];
  connected = false;
  private everJoined = false;
  private rejoining = false;

  constructor(client = "c1") {
    this.client = client;
    this.newStream();
  }

  plant(fault: ShardFault): void {
    this.shard.fault = fault;
  }

  record(event: HistoryEvent): void {
    this.at += 1;
    this.records.push({ client: this.client, at: this.at, event });
  }

  /** The game gives a message. */
  say(): void {
    this.said += 1;
    const hash = hashMessage(0, new TextEncoder().encode(`message ${this.said}`));
    this.kept.push({ hash, sent: false });
    this.record({ type: "queued", hash });
    this.pump();
  }

  private pump(): void {
    if (!this.connected) return;
    for (; this.cursor < this.kept.length; this.cursor++) {
      const message = this.kept[this.cursor];
      if (message === undefined) return;
      message.sent = true;
      const { hash } = message;
      const seq = this.base + this.cursor;
      this.record({ type: "sent", seq, hash });
      this.up.push({ seq, hash });
    }
  }

  /** Up to `count` messages arrive at the shard. */
  arrive(count: number): void {
    for (const message of this.up.splice(0, count)) {
      const { session } = this.shard;
      const outSeq = session?.outSeq ?? 0;
      if (!this.shard.apply(message)) this.down.push("asked");
      this.down.push(...(session?.outbox.filter(({ seq }) => seq > outSeq) ?? []));
    }
  }

  /** The shard makes a tick: acknowledges, and tells its time. */
  tick(): void {
    const { shard } = this;
    this.at += TICK_MS;
    shard.tick += 1;
    if (!this.connected) return;
    let ack = shard.session?.appliedSeq ?? 0;
    if (shard.fault === "acknowledge-early") {
      ack = this.base + this.cursor - 1;
      shard.fault = undefined;
    }
    this.down.push({ ack, tick: shard.tick - 1 });
    this.record({ type: "tick", tick: shard.tick });
  }

  /** A reliable message that answers nothing. */
  beat(): void {
    this.shard.answer();
    const message = this.shard.session?.outbox.at(-1);
    if (this.connected && message !== undefined) this.down.push(message);
  }

  /** Up to `count` of what the shard said arrive at the client. */
  hear(count: number): void {
    for (const said of this.down.splice(0, count)) {
      if (said === "asked") this.asked();
      else if ("ack" in said) {
        this.record({ type: "acknowledged", seq: said.ack, tick: said.tick });
        this.confirm(said.ack);
      } else this.take(said);
    }
  }

  private asked(): void {
    const seq = this.shard.session?.appliedSeq ?? 0;
    this.record({ type: "asked", seq });
    this.confirm(seq);
    this.cursor = 0;
    this.pump();
  }

  private take({ seq, hash, account }: DownMessage): void {
    this.record({ type: "received", seq, hash });
    if (seq !== this.received + 1) return;
    this.received = seq;
    this.record({ type: "delivered", seq, hash });
    this.record({ type: "account", ...account });
  }

  /** The client acknowledges what it got. */
  thank(): void {
    const { received, timeline = 0 } = this;
    if (!this.connected) return;
    this.record({ type: "confirmed", seq: received, timeline });
    this.shard.confirmed(received, timeline);
  }

  /** The connection is gone, with all that is on its way. */
  drop(): void {
    if (!this.connected) return;
    this.connected = false;
    this.up = [];
    this.down = [];
    this.record({ type: "disconnected", reason: "cut" });
    this.record({ type: "dropped", reason: "cut" });
  }

  /** It comes back, to whatever the shard is by now. */
  attach({ newStream = false } = {}): void {
    if (this.connected) return;
    const { shard } = this;
    if (newStream) this.restart();
    this.attempt += 1;
    this.record({
      ...{ type: "hello", stream: this.stream, attempt: this.attempt },
      ...{ resume: this.session !== undefined, firstUnacked: this.base },
      ...{ lastReceived: this.received, timeline: this.timeline ?? null },
    });
    if (this.session !== undefined && shard.session === undefined) {
      this.record({ type: "close", code: SESSION_LOST, reason: "the session is no more" });
      this.session = undefined;
      this.attempt = -1;
      this.restart();
      this.attach();
      return;
    }
    if (this.session === undefined) shard.open(this.stream);
    if (shard.session?.stream !== this.stream) shard.restream(this.stream);
    this.welcome();
  }

  /** Takes a welcome; also on a connection that runs, when the shard has another owner. */
  welcome(): void {
    const { shard } = this;
    const { session } = shard;
    if (session === undefined) return;
    const { epoch, timeline, tick, sessionId } = shard;
    session.attempt = this.attempt;
    const { appliedSeq } = session;
    const otherTimeline = this.timeline !== undefined && this.timeline !== timeline;
    const rolledBack = this.rejoining || otherTimeline;
    const outSeq = otherTimeline ? Math.min(session.outSeq, shard.commonOutSeq) : session.outSeq;
    shard.commonOutSeq = Number.POSITIVE_INFINITY;
    this.record({
      ...{ type: "welcome", session: sessionId, attempt: this.attempt, epoch, timeline, tick },
      ...{ appliedSeq, outSeq },
    });
    if (rolledBack) {
      this.received = Math.min(this.received, outSeq);
      this.record({ type: "rolled-back" });
    }
    this.session = sessionId;
    this.timeline = timeline;
    this.rejoining = false;
    this.connected = true;
    this.everJoined = true;
    this.confirm(appliedSeq);
    this.base = appliedSeq + 1;
    this.cursor = 0;
    this.up = [];
    this.down = session.outbox.filter(({ seq }) => seq > this.received);
    this.pump();
  }

  /** The world goes back in time, if there is a snapshot. */
  rollBack(pick: (count: number) => number, { aside = false } = {}): void {
    if (!this.shard.restore(pick)) return;
    if (aside) this.shard.goAside(this.base);
    this.shard.timeline += 1;
    this.shard.epoch += 1;
    this.down = [];
    if (this.connected) this.welcome();
  }

  loseSession(): void {
    this.drop();
    this.shard.close();
  }

  /** Everything arrives that is on its way, both ways. */
  settle(): void {
    this.attach();
    for (let round = 0; round < 3; round++) {
      this.arrive(Number.POSITIVE_INFINITY);
      this.tick();
      this.hear(Number.POSITIVE_INFINITY);
    }
    this.thank();
  }

  private restart(): void {
    this.kept = this.kept.filter(({ sent }) => !sent);
    this.base = 1;
    this.cursor = 0;
    this.received = 0;
    this.timeline = undefined;
    this.rejoining = this.everJoined;
    this.newStream();
  }

  private newStream(): void {
    this.streams += 1;
    this.stream = this.streams.toString(16).padStart(16, "0");
  }

  private confirm(seq: number): void {
    const count = Math.max(0, Math.min(seq - this.base + 1, this.kept.length));
    this.kept.splice(0, count);
    this.base += count;
    this.cursor = Math.max(0, this.cursor - count);
  }
}
