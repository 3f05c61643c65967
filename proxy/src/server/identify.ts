import type { Clock, Hello, SecureRandom, TicketKeys } from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import type { Identity } from "../session/attachment-effects.ts";

const GUEST_BYTES = 8;

export type Identified =
  | { ok: true; identity: Identity }
  | { ok: false; code: CloseCode; reason: string };

/** Who a hello is from (docs/protocol.md, sections 5 and 8). */
export async function identify(
  hello: Hello,
  options: { allowGuests: boolean },
  dependencies: { keys: TicketKeys; clock: Clock; random: SecureRandom },
): Promise<Identified> {
  const { keys, clock, random } = dependencies;
  if (hello.resume !== undefined) {
    const verified = await keys.verifyResume(hello.resume);
    if (!verified.ok) return verified;
    const { account, world, session, name, data } = verified.claims;
    if (world !== hello.world) return otherWorld("resume token", world, hello.world);
    return { ok: true, identity: { account, name, data, session } };
  }
  if (hello.ticket !== undefined) {
    const verified = await keys.verify(hello.ticket, Math.floor(clock.wallTime() / 1000));
    if (!verified.ok) return verified;
    const { account, world, name, data } = verified.claims;
    if (world !== "*" && world !== hello.world) return otherWorld("ticket", world, hello.world);
    return { ok: true, identity: { account, name, data } };
  }
  if (!options.allowGuests)
    return {
      ok: false,
      code: "unauthorized",
      reason: "guests are not allowed here; bring a ticket",
    };
  const account = `guest-${Buffer.from(random.bytes(GUEST_BYTES)).toString("hex")}`;
  return { ok: true, identity: { account, name: "", data: null } };
}

function otherWorld(what: string, of: string, asked: string): Identified {
  return {
    ok: false,
    code: "unauthorized",
    reason: `the ${what} is for the world "${of}", not "${asked}"`,
  };
}
