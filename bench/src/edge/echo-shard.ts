import {
  type Channel,
  type LinkMessage,
  type LinkNetwork,
  type Placement,
  type PlacementView,
  readUpstreamEntry,
  SessionFlag,
  type UpstreamEntry,
  UpstreamKind,
  writeDownstreamHead,
} from "@atlasnet/core";
import { ByteReader, ByteWriter } from "@atlasnet/world";

const SHARD = "echo.0";
export const GAMESERVER = "g1";
export const WORLD = "echo";
const EPOCH = 1;
export const TIMELINE = 1;
/** So fast that nobody waits for a tick. */
const TICK_RATE = 1000;

/** Where the echo lives. */
export const placements: PlacementView = {
  complete: true,
  lookup: (world) => (world === WORLD ? PLACEMENT : undefined),
  placementOf: (shard) => (shard === SHARD ? PLACEMENT : undefined),
  expects: () => false,
  watch: () => () => {},
};
const PLACEMENT: Placement = { world: WORLD, shard: SHARD, node: GAMESERVER, epoch: EPOCH };

/**
 * Stands in for a world: every reliable message is acknowledged and sent back as a reliable message. What
 * came in one link message goes back in one.
 */
export class EchoShard {
  private channel: Channel | undefined;
  private sessions = 0;
  private tick = 1;
  private readonly outSeq = new Map<number, number>();
  private readonly writer = new ByteWriter(4096);

  async listen(network: LinkNetwork): Promise<void> {
    await network.listen((link) => {
      const channel = link.channel(`shard:${SHARD}`);
      this.channel = channel;
      channel.onMessage((message) => this.receive(message));
    });
  }

  private receive(message: LinkMessage): void {
    if (message.type === "upstream") return this.echo(message.batch);
    if (message.type === "detach") this.outSeq.delete(message.attach);
    if (message.type !== "attach") return;
    const { attach, account, name, attempt, firstUnacked, lastReceived } = message;
    this.outSeq.set(attach, lastReceived);
    this.channel?.send({
      type: "attached",
      shard: SHARD,
      epoch: EPOCH,
      attach,
      session: ++this.sessions,
      account,
      name,
      attempt,
      timeline: TIMELINE,
      tick: this.tick,
      tickRate: TICK_RATE,
      schema: new Uint8Array(8),
      appliedSeq: firstUnacked - 1,
      outSeq: lastReceived,
      lastInput: 0,
      graceTicks: 200,
    });
  }

  private echo(batch: Uint8Array): void {
    const sessions = new Map<number, UpstreamEntry[]>();
    const reader = new ByteReader(batch);
    while (reader.remaining > 0) {
      const entry = readUpstreamEntry(reader);
      if (entry.kind !== UpstreamKind.message) continue;
      const entries = sessions.get(entry.attach);
      if (entries === undefined) sessions.set(entry.attach, [entry]);
      else entries.push(entry);
    }
    if (sessions.size === 0) return;
    const { writer } = this;
    writer.reset();
    writeDownstreamHead(writer, { tick: ++this.tick, dilation: 0 });
    writer.varint(0);
    writer.varint(sessions.size);
    for (const [attach, entries] of sessions) this.answer(writer, attach, entries);
    const bytes = writer.finish();
    this.channel?.send({ type: "downstream", shard: SHARD, epoch: EPOCH, batch: bytes });
  }

  private answer(writer: ByteWriter, attach: number, entries: readonly UpstreamEntry[]): void {
    let seq = this.outSeq.get(attach) ?? 0;
    writer.varint(attach);
    writer.varint(SessionFlag.messages | SessionFlag.ack);
    writer.varint(entries.length);
    for (const { index, payload } of entries) {
      writer.varint(++seq);
      writer.varint(index);
      writer.block(payload);
    }
    writer.varint(entries.at(-1)?.n ?? 0);
    this.outSeq.set(attach, seq);
  }
}
