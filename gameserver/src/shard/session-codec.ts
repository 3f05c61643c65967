import { decodePlain, encodePlain } from "@atlasnet/core";
import { ByteReader, ByteWriter, DecodeError, type Plain } from "@atlasnet/world";
import type { OutboxMessage, SessionState } from "./session-state.ts";
import { bytesOf } from "./session-table.ts";

/** Sessions as bytes of the shard's state (state-codec.ts). */

export const MAX_TEXT = 1_024;
/** Of a stream, as clients send it. */
const STREAM_BYTES = 8;
const MAX_PLAIN = 65_536;
const MAX_PAYLOAD = 65_536;

/** `outbox`: the messages to write with it. */
export function writeSession(
  writer: ByteWriter,
  session: SessionState,
  outbox: readonly OutboxMessage[],
): void {
  writer.varint(session.id);
  writer.text(session.account);
  writer.text(session.name);
  writer.block(encodePlain(session.data));
  writer.block(streamAndMore(session));
  writer.varint(session.epoch);
  writer.varint(session.attempt);
  writer.u8(session.connected ? 1 : 0);
  writer.varint(session.graceEnd);
  writer.varint(session.sharedSeq);
  writer.varint(session.entity);
  writer.varint(session.channels.size);
  for (const channel of [...session.channels].sort((a, b) => a - b)) writer.varint(channel);
  writeNumbers(writer, session);
  writer.varint(outbox.length);
  for (const message of outbox) writeOutboxMessage(writer, message);
}

export function writeCounters(writer: ByteWriter, session: SessionState): void {
  writer.varint(session.id);
  writeNumbers(writer, session);
}

/** @throws DecodeError */
export function readSession(reader: ByteReader): SessionState {
  const id = reader.varint();
  const account = reader.text(MAX_TEXT);
  const session: SessionState = {
    id,
    account,
    name: reader.text(MAX_TEXT),
    data: readPlain(reader),
    ...readStreamAndMore(reader.block(64)),
    epoch: reader.varint(),
    attempt: reader.varint(),
    connected: reader.u8() === 1,
    graceEnd: reader.varint(),
    sharedSeq: reader.varint(),
    entity: reader.varint(),
    channels: new Set<number>(),
    appliedSeq: 0,
    lastInput: 0,
    outSeq: 0,
    ackedSeq: 0,
    outbox: [],
    outboxBytes: 0,
  };
  const channels = reader.varint();
  if (channels > 1_000) throw new DecodeError(`${channels} channels`);
  for (let i = 0; i < channels; i++) session.channels.add(reader.varint());
  readCounters(reader, session);
  const count = reader.varint();
  for (let i = 0; i < count; i++) session.outbox.push(readOutboxMessage(reader));
  session.outboxBytes = bytesOf(session.outbox);
  return session;
}

/** Numbers of both directions. */
function writeNumbers(writer: ByteWriter, session: SessionState): void {
  writer.varint(session.appliedSeq);
  writer.varint(session.lastInput);
  writer.varint(session.outSeq);
  writer.varint(session.ackedSeq);
}

export function readCounters(reader: ByteReader, session: SessionState): void {
  session.appliedSeq = reader.varint();
  session.lastInput = reader.varint();
  session.outSeq = reader.varint();
  session.ackedSeq = reader.varint();
  session.outbox = session.outbox.filter((m) => m.seq > session.ackedSeq);
  session.outboxBytes = bytesOf(session.outbox);
}

export function writeOutboxMessage(writer: ByteWriter, message: OutboxMessage): void {
  writer.varint(message.seq);
  writer.varint(message.index);
  writer.block(message.payload);
}

export function readOutboxMessage(reader: ByteReader): OutboxMessage {
  return {
    seq: reader.varint(),
    index: reader.varint(),
    payload: reader.block(MAX_PAYLOAD).slice(),
  };
}

/** Numbers are left out where they are 0, which they nearly always are; versions before do not read what is behind. */
function streamAndMore({ stream, join, branch }: SessionState): Uint8Array {
  if (join === 0 && branch === 0) return stream;
  const writer = new ByteWriter();
  writer.raw(stream);
  writer.varint(join);
  if (branch > 0) writer.varint(branch);
  return writer.finish();
}

function readStreamAndMore(block: Uint8Array): Pick<SessionState, "stream" | "join" | "branch"> {
  const stream = block.slice(0, STREAM_BYTES);
  const more = new ByteReader(block.subarray(STREAM_BYTES));
  const join = more.remaining > 0 ? more.varint() : 0;
  const branch = more.remaining > 0 ? more.varint() : 0;
  return { stream, join, branch };
}

/** @throws DecodeError */
export function readPlain(reader: ByteReader): Plain {
  const decoded = decodePlain(reader.block(MAX_PLAIN));
  if (!decoded.ok) throw new DecodeError(decoded.problem);
  return decoded.value;
}
