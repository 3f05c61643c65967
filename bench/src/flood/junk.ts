import { randomBytes } from "node:crypto";
import { PACKET, TAG_BYTES } from "@atlasnet/udp";
import { ClientHandshake, type HandshakeStep } from "@atlasnet/udp/node";

export const junkKinds = [
  "noise",
  "initiates",
  "cookies",
  "unknown",
  "forged",
  "inside",
  "replays",
] as const;

/**
 * - noise: random bytes of any length;
 * - initiates: handshakes that begin and never go on;
 * - cookies: initiates with cookies that the server never made;
 * - unknown: what looks like packets of connections, but of none that exists;
 * - forged: the same with the id of a connection that does, from elsewhere;
 * - inside: the same from the very address and port of that connection;
 * - replays: a genuine packet of such a connection again and again, from elsewhere.
 */
export type JunkKind = (typeof junkKinds)[number];

/** A connection that was made for the flood. */
export type Made = Extract<HandshakeStep, { type: "done" }>;

/** Different packets, sent in turn: a server that remembers one gains nothing. */
const POOL = 256;
/** Of packets in a connection's name. */
const SEALED_BYTES = 100;
const COOKIE_BYTES = 24;
/** In an initiate: its length in a byte, then the cookie. */
const COOKIE_AT = 46;
const ID_AT = 1;
const NUMBER_AT = 7;

/** Whether this junk names a connection that has to exist. */
export function needsConnection(kind: JunkKind): boolean {
  return kind === "forged" || kind === "inside" || kind === "replays";
}

/** `made`: where the kind needs a connection. */
export function junk(kind: JunkKind, made: Made | undefined): Uint8Array[] {
  if (kind === "replays") return [genuine(made)];
  return Array.from({ length: POOL }, (_, i) => {
    switch (kind) {
      case "noise":
        return noise(Math.ceil((1200 * (i + 1)) / POOL));
      case "initiates":
        return initiate();
      case "cookies":
        return withCookie(initiate(), randomBytes(COOKIE_BYTES));
      case "unknown":
        return sealedLooking(randomBytes(6));
      default:
        return sealedLooking(idOf(made));
    }
  });
}

/** Half of it begins like something that is known. */
function noise(bytes: number): Uint8Array {
  const packet = randomBytes(bytes);
  if (bytes % 2 === 0) packet[0] = 1 + (bytes % 5);
  return packet;
}

function initiate(): Uint8Array {
  return new ClientHandshake({ serverKey: undefined }, { randomBytes }).packet;
}

function withCookie(packet: Uint8Array, cookie: Uint8Array): Uint8Array {
  packet[COOKIE_AT] = cookie.length;
  packet.set(cookie, COOKIE_AT + 1);
  return packet;
}

function sealedLooking(id: Uint8Array): Uint8Array {
  const packet = randomBytes(SEALED_BYTES);
  packet[0] = PACKET.sealed;
  packet.set(id, ID_AT);
  // A number that may come next, so that nothing but the seal tells.
  packet[NUMBER_AT] = 1 + ((packet[NUMBER_AT] ?? 0) >> 2);
  return packet;
}

function idOf(made: Made | undefined): Uint8Array {
  const id = Buffer.alloc(6);
  id.writeUIntBE(made?.connectionId ?? 0, 0, 6);
  return id;
}

/** Packet number 0: a ping frame. */
function genuine(made: Made | undefined): Uint8Array {
  const head = NUMBER_AT + 1;
  const packet = new Uint8Array(head + 1 + TAG_BYTES);
  packet[0] = PACKET.sealed;
  packet.set(idOf(made), ID_AT);
  packet[head] = 1;
  made?.keys.seal(0, packet, head, head + 1);
  return packet;
}
