import { lookup } from "node:dns/promises";
import { INITIATE_TRIES } from "@atlasnet/udp";
import { commonSurroundings } from "../surroundings.ts";
import type { Transport, TransportHandlers } from "../transport.ts";
import { type CallFailure, HandshakeCall } from "./handshake-call.ts";
import type { UdpTarget } from "./local-socket.ts";
import { isLoopback } from "./server-key.ts";
import { UdpConnection } from "./udp-connection.ts";

/** Addresses of one name that are tried, one after the other. */
const MAX_TARGETS = 4;
/** Packets to an address that is not the last one. */
const EARLY_TRIES = 3;

/**
 * Opens a connection to `udp://host:port`. `serverKey` says what the server has to prove; it is asked
 * once, and what it throws ends the connection. Without a key only servers on this machine are taken.
 * @throws TypeError for a URL without host or port.
 */
export function dialUdp(
  address: URL,
  handlers: TransportHandlers,
  serverKey: () => Uint8Array | undefined,
): Transport {
  const host = address.hostname.replace(/^\[|\]$/g, "");
  const port = Number(address.port);
  if (host === "" || port === 0)
    throw new TypeError(`${address.href} needs a host and a port, as in udp://localhost:2555`);
  const { clock, randomBytes } = commonSurroundings;
  let call: HandshakeCall | undefined;
  let connection: UdpConnection | undefined;
  let over = false;

  const fail = ({ reason, untrusted }: CallFailure): void => {
    if (over) return;
    over = true;
    handlers.closed(undefined, `${address.href}: ${reason}`, untrusted);
  };
  const tryTargets = ([target, ...others]: UdpTarget[], key: Uint8Array | undefined): void => {
    if (over || target === undefined) return;
    if (key === undefined && !isLoopback(target.address)) {
      fail({ reason: NO_KEY, untrusted: true });
      return;
    }
    const tries = others.length === 0 ? INITIATE_TRIES : EARLY_TRIES;
    call = new HandshakeCall(
      { target, serverKey: key, tries },
      {
        clock,
        randomBytes,
        done: (socket, accepted) => {
          connection = new UdpConnection(
            { target, accepted },
            { socket, handlers, clock, randomBytes },
          );
          handlers.opened();
        },
        failed: (failure) => {
          if (failure.untrusted || others.length === 0) fail(failure);
          else tryTargets(others, key);
        },
      },
    );
  };
  targetsOf(host, port).then(
    (targets) => {
      let key: Uint8Array | undefined;
      try {
        key = serverKey();
      } catch (error) {
        fail({ reason: messageOf(error), untrusted: true });
        return;
      }
      tryTargets(targets, key);
    },
    (error) => fail({ reason: messageOf(error), untrusted: false }),
  );
  return {
    get packets() {
      return connection?.packets;
    },
    send: (message) => connection?.send(message),
    close(code, reason) {
      over = true;
      if (connection === undefined) call?.stop();
      else connection.hangUp(code, reason);
    },
  };
}

const NO_KEY =
  "the server's public key is needed to know it by: connect({ url, serverKey }), or a ticket with the " +
  'claim serverKey, or a ws, wss, tcp or tls address and transport: "auto", where the server says it';

async function targetsOf(host: string, port: number): Promise<UdpTarget[]> {
  const found = await lookup(host, { all: true });
  return found
    .slice(0, MAX_TARGETS)
    .map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4, port }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
