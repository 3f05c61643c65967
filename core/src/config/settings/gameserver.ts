import type { Setting } from "../setting.ts";
import { MULTICAST_ADDRESS, MULTICAST_TOPIC } from "./parts.ts";

export const gameserverSettings = {
  "gameserver.threads": {
    type: "integer",
    min: 1,
    max: 256,
    unit: "threads",
    default: { says: "cores - 1, at least 1", of: (host) => Math.max(1, host.cores - 1) },
    example: 2,
    meaning: "Worker threads that worlds tick on.",
  },
  "gameserver.tickLimitMs": {
    type: "integer",
    min: 0,
    max: 60_000,
    unit: "ms",
    default: 500,
    meaning:
      "A tick that takes longer is interrupted and its world restored. 0 turns it off; off under a debugger.",
  },
  "gameserver.graceSeconds": {
    type: "integer",
    min: 0,
    max: 86_400,
    unit: "s",
    default: 30,
    meaning: "How long, in world time, the place of a player whose connection was lost is kept.",
  },
  "gameserver.maxSessionsPerWorld": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    unit: "sessions",
    default: 10_000,
    meaning: "Players of one world at a time; more are closed with world-full.",
  },
  "gameserver.outboxMessages": {
    type: "integer",
    min: 16,
    max: 1_000_000,
    unit: "messages",
    default: 1024,
    meaning:
      "Reliable messages kept for one player until acknowledged; more end the session with slow-consumer.",
  },
  "gameserver.modulesDir": {
    type: "path",
    default: ".",
    example: "./worlds",
    meaning:
      "Folder that the paths of world modules are relative to, for worlds made with `atlasnet world create`. Relative paths that lead out of it are refused.",
  },
  "gameserver.multicast.address": {
    type: "text",
    pattern: MULTICAST_ADDRESS,
    allowed:
      "an IPv4 multicast group from 224.0.0.0 to 239.255.255.255 and a port from 1 to 65535, as in 239.255.0.1:30001",
    alias: "multicast",
    example: "239.255.0.1:30001",
    meaning:
      "Group that this server's figures and the topics below are sent to, for any number of watchers on the LAN (`atlasnet monitor`). Left out: nothing is sent. Everybody on the LAN can read it; no router passes it on.",
  },
  "gameserver.multicast.interface": {
    type: "text",
    pattern: /^\d{1,3}(\.\d{1,3}){3}$/,
    allowed: "an IPv4 address of this machine",
    example: "192.168.1.5",
    meaning:
      "Address of the network interface that multicast leaves by; 127.0.0.1 keeps it on this machine. Left out: the system chooses.",
  },
  "gameserver.multicast.topics": {
    type: "list",
    pattern: MULTICAST_TOPIC,
    allowed: "WORLD/CHANNEL or WORLD/cell/X,Y(,Z)",
    maxItems: 64,
    default: [],
    example: ["arena/scores", "arena/cell/3,4"],
    meaning: "Topics whose changes are sent to the group, tick by tick.",
  },
  "gameserver.multicast.allowPrivate": {
    type: "bool",
    default: false,
    meaning:
      "Send topics, too, that their world does not call public. Whoever is on the LAN reads them.",
  },
  "migration.bytesPerSecond": {
    type: "integer",
    min: 65_536,
    max: 10_000_000_000,
    unit: "bytes/s",
    default: 67_108_864,
    meaning:
      "Most that a gameserver sends of one world's state per second while that world moves to another one. A world ticks on meanwhile.",
  },
  "mirror.timeoutMs": {
    type: "integer",
    min: 100,
    max: 60_000,
    unit: "ms",
    default: 500,
    meaning:
      "A mirror of a world that acknowledges nothing for so long is given up: until then what the world says waits for it, and players with it.",
  },
  "mirror.suspectMs": {
    type: "integer",
    min: 200,
    max: 60_000,
    unit: "ms",
    default: 400,
    meaning:
      "The mirror of a world takes it over from an owner that says nothing for so long. Owners say something every 100 ms; a stall of the mirror's own process does not count.",
  },
  "journal.enabled": {
    type: "bool",
    default: true,
    meaning:
      "Write what each tick changed, so that a crash costs journal.syncMs, not a snapshot's interval.",
  },
  "journal.syncMs": {
    type: "integer",
    min: 1,
    max: 60_000,
    unit: "ms",
    default: 1000,
    meaning: "Time between two syncs of the journals to disk: the most a crash costs.",
  },
} as const satisfies { readonly [path: string]: Setting };
