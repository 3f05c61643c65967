import type { UdpEndpoint } from "@atlasnet/core";
import type { ClientConnection, ClientEvents } from "../gateway/client-connection.ts";
import type { LinesConnection } from "../gateway/lines/lines-connection.ts";
import type { Rooms } from "./door.ts";
import type { Hub } from "./hub.ts";
import { LinesSession } from "./lines-session.ts";
import { Player, type PlayerDependencies, type PlayerOptions } from "./player.ts";
import type { Visitor } from "./visitor.ts";
import type { Visitors } from "./visitors.ts";

export type SessionRoomsOptions = Omit<PlayerOptions, "udp">;

export interface SessionRoomsDependencies extends Omit<PlayerDependencies, "hub"> {
  visitors: Pick<Visitors, "settled">;
}

/** Makes of a connection whose protocol is known what answers it: a player, or a session of lines. */
export class SessionRooms implements Rooms {
  private readonly visitors: Pick<Visitors, "settled">;
  private readonly dependencies: Omit<PlayerDependencies, "hub">;
  /** What is the same for all who come: the options now, and the rest once there is a hub. */
  private options: PlayerOptions;
  private parts: PlayerDependencies | undefined;

  constructor(options: SessionRoomsOptions, dependencies: SessionRoomsDependencies) {
    const { limits, allowGuests, endpoints } = options;
    this.options = { limits, allowGuests, endpoints };
    const { visitors, keys, clock, random, counters, logger, tracer, tracing, stalls } =
      dependencies;
    this.visitors = visitors;
    this.dependencies = { keys, clock, random, counters, logger, tracer, tracing, stalls };
  }

  /** Clients may come from now on, and find their worlds there. */
  open(hub: Hub): void {
    this.parts = { ...this.dependencies, hub };
  }

  /** Players who come from now on hear where UDP is taken; undefined: nowhere. */
  takesUdp(udp: UdpEndpoint | undefined): void {
    this.options = { ...this.options, udp };
  }

  session(visitor: Visitor, connection: ClientConnection): ClientEvents {
    const player = new Player(connection, this.options, this.needParts());
    visitor.settle(connection, player);
    this.visitors.settled(visitor);
    return player;
  }

  lines(visitor: Visitor, connection: LinesConnection): void {
    const session = new LinesSession(connection, this.options.limits, this.needParts());
    visitor.settle(connection, session);
    connection.open(session);
    this.visitors.settled(visitor);
  }

  private needParts(): PlayerDependencies {
    if (this.parts === undefined) throw new Error("a client came in before the proxy was started");
    return this.parts;
  }
}
