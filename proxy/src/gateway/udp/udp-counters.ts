/** Why a datagram was dropped: the label `why` of a metric. */
export const dropReasons = [
  "unknown-type",
  "malformed",
  "version",
  "bad-cookie",
  "too-busy",
  "no-room",
  "unknown-connection",
  "late",
  "not-genuine",
  "repeated",
  "flood",
  "fault",
] as const;

export type DropReason = (typeof dropReasons)[number];

/** What the UDP gateway counts; plain numbers, because every packet adds to them. */
export class UdpCounters {
  packetsIn = 0;
  bytesIn = 0;
  packetsOut = 0;
  bytesOut = 0;
  /** Packets that were not sent because the operating system took none. */
  packetsUnsent = 0;
  handshakes = 0;
  retries = 0;
  /** Accepts that were sent again, because the client had not got them. */
  acceptsRepeated = 0;
  resets = 0;
  /** Connections whose client has not sent a sealed packet yet. */
  unconfirmed = 0;
  /** Bytes held for parts of client streams that came early, buffers of a few KiB apart. */
  earlyBytes = 0;
  /** Genuine packets that count as lost, as there was no room for what they bring. */
  packetsUnkept = 0;
  packetsLost = 0;
  streamBytesRepeated = 0;
  updatesLost = 0;
  addressChanges = 0;
  readonly drops: { [R in DropReason]: number } = {
    "unknown-type": 0,
    malformed: 0,
    version: 0,
    "bad-cookie": 0,
    "too-busy": 0,
    "no-room": 0,
    "unknown-connection": 0,
    late: 0,
    "not-genuine": 0,
    repeated: 0,
    flood: 0,
    fault: 0,
  };
}
