import type { DatagramDependencies, DatagramOptions } from "./datagram-port.ts";
import { type DatagramStats, newDatagramStats } from "./datagram-stats.ts";

/** One connection after its handshake. The parts behind it are on their way. */
export class DatagramConnection<Sent = undefined> {
  readonly stats: DatagramStats = newDatagramStats();
  readonly maxUpdatesBytes: number = 1100;
  protected readonly options: DatagramOptions;
  protected readonly dependencies: DatagramDependencies<Sent>;

  constructor(options: DatagramOptions, dependencies: DatagramDependencies<Sent>) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** A sealed packet, the whole UDP payload. False: not genuine, replayed or malformed; dropped. */
  receive(_packet: Uint8Array, _path: string, _now: number): boolean {
    throw new Error("not there yet");
  }

  /** Sends one CBOR item; an input of a client goes into inputs frames, all else into the stream. Copied. */
  send(_item: Uint8Array): void {
    throw new Error("not there yet");
  }

  /** Items that are framed already: whole frames, no welcome and no input among them. Copied. */
  sendFrames(_bytes: Uint8Array): void {
    throw new Error("not there yet");
  }

  /** Server: packed updates of at most maxUpdatesBytes, into a state frame. Copied. */
  sendUpdates(_packed: Uint8Array, _sent: Sent): void {
    throw new Error("not there yet");
  }

  /** Writes and transmits what waits, as the window allows. */
  flush(_now: number): void {
    throw new Error("not there yet");
  }

  /** When `wake` is due, in ms of the same clock; Infinity: never. */
  get wakeAt(): number {
    return Number.POSITIVE_INFINITY;
  }

  wake(_now: number): void {
    throw new Error("not there yet");
  }

  /** Stops handing out items. */
  pause(): void {
    throw new Error("not there yet");
  }

  resume(): void {
    throw new Error("not there yet");
  }

  /** Sends a close frame at once; from then on packets are answered with it. */
  close(_code: number, _reason: string): void {
    throw new Error("not there yet");
  }

  get closing(): boolean {
    return false;
  }

  /** Bytes of the stream that wait for the window. */
  get backlogBytes(): number {
    return 0;
  }

  get rttMs(): number | undefined {
    return undefined;
  }
}
