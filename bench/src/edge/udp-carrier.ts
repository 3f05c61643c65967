import type { CarrierEvents } from "./carriers.ts";

export function dialUdp(_port: number, events: CarrierEvents): void {
  events.closed("not yet");
}
