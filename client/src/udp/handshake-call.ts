import { INITIATE_RESEND_MS } from "@atlasnet/udp";
import { ClientHandshake, type HandshakeStep } from "@atlasnet/udp/node";
import type { ClientClock } from "../connection.ts";
import { LocalSocket, type UdpTarget } from "./local-socket.ts";
import { serverKeyText } from "./server-key.ts";

export type Accepted = HandshakeStep & { type: "done" };

/** Why a handshake came to nothing. */
export interface CallFailure {
  reason: string;
  /** The server has another key than it must have. */
  untrusted: boolean;
}

export interface HandshakeCallOptions {
  target: UdpTarget;
  /** 32 bytes; undefined takes any. */
  serverKey: Uint8Array | undefined;
  /** How often a packet is sent that gets no answer. */
  tries: number;
}

export interface HandshakeCallDependencies {
  clock: ClientClock;
  randomBytes: (count: number) => Uint8Array;
  /** The socket is the callee's from now on. */
  done: (socket: LocalSocket, accepted: Accepted) => void;
  failed: (failure: CallFailure) => void;
}

/** One handshake with one address: packets are sent again until there is an answer, or for a while. */
export class HandshakeCall {
  private readonly options: HandshakeCallOptions;
  private readonly dependencies: HandshakeCallDependencies;
  private readonly handshake: ClientHandshake;
  private readonly socket: LocalSocket;
  private timer: { cancel(): void } | undefined;
  private sent = 0;

  constructor(options: HandshakeCallOptions, dependencies: HandshakeCallDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.handshake = new ClientHandshake(options, dependencies);
    this.socket = new LocalSocket(options.target, {
      ready: () => this.send(),
      packet: (bytes) => this.received(bytes),
      failed: ({ message }, refused) =>
        this.fail(refused ? `nobody listens for UDP there (${message})` : message),
    });
  }

  /** Gives up; nothing is told any more. */
  stop(): void {
    this.timer?.cancel();
    this.socket.close();
  }

  private send(): void {
    this.timer?.cancel();
    if (this.sent === this.options.tries) {
      this.fail(`no answer to ${this.sent} packets`);
      return;
    }
    this.socket.send(this.handshake.packet);
    this.timer = this.dependencies.clock.setTimer(INITIATE_RESEND_MS * 2 ** this.sent, () =>
      this.send(),
    );
    this.sent += 1;
  }

  private received(bytes: Uint8Array): void {
    const step = this.handshake.receive(bytes);
    switch (step.type) {
      case "ignored":
        break;
      case "again":
        this.sent = 0;
        this.send();
        break;
      case "done":
        this.timer?.cancel();
        this.dependencies.done(this.socket, step);
        break;
      case "wrong-key":
        this.fail(this.wrongKey(step.serverKey), true);
        break;
    }
  }

  private wrongKey(key: Uint8Array): string {
    const { serverKey = key } = this.options;
    const [found, wanted] = [key, serverKey].map(serverKeyText);
    return `its key is ${found}, not ${wanted}: it is another server, or serverKey is out of date`;
  }

  private fail(reason: string, untrusted = false): void {
    this.stop();
    this.dependencies.failed({ reason, untrusted });
  }
}
