import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { CheckedSession, HistoryChecker, violationText } from "@atlasnet/history";
import { definition } from "@atlasnet/history/world";
import { until } from "../testing/until.ts";

/** The file of the world that they play in. */
export const CHECKER = fileURLToPath(import.meta.resolve("@atlasnet/history/world"));

/** How often each says something. */
const EVERY_MS = 50;
const FILLER = new Uint8Array(32).fill(0x61);
/** For the join, the last answers, and whatever a fault keeps players waiting for. */
const PATIENCE_MS = 45_000;

interface Player {
  readonly name: string;
  readonly session: CheckedSession;
  readonly client: AtlasNetClient;
  leave(): Promise<void>;
}

/**
 * Players of the history checker's world, in this process: they talk, and everything that goes to and fro is recorded
 * and proved to have come once and in order. Whoever makes them closes them.
 */
export class MigrationPlayers {
  private readonly checker = new HistoryChecker();
  private readonly players: Player[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  /** Sessions of all welcomes, by player. */
  private readonly sessions = new Map<string, Set<number>>();
  /** Connections that were lost, as their players have noticed. */
  private readonly lost: string[] = [];
  /** Ends that nobody comes back from. */
  private readonly ends: string[] = [];
  rollbacks = 0;

  /** Connections that were lost so far, and why. */
  get disconnects(): readonly string[] {
    return this.lost;
  }

  /** One more, by way of the first of these addresses that answers. */
  async enter(world: string, urls: readonly string[]): Promise<void> {
    const writer = this.players.length + 1;
    const name = `player-${writer}`;
    const seen = new Set<number>();
    this.sessions.set(name, seen);
    const session = new CheckedSession(
      { client: name, writer },
      {
        now: () => performance.now(),
        sink: (record) => {
          const { event } = record;
          this.checker.take(record);
          if (event.type === "welcome") seen.add(event.session);
          else if (event.type === "disconnected") this.lost.push(`${name}: ${event.reason}`);
          else if (event.type === "rolled-back") this.rollbacks += 1;
          else if (event.type === "ended") this.ends.push(`${name}: ${event.code} ${event.reason}`);
        },
      },
    );
    const client = connect({ url: [...urls] });
    const joined = await client.join(definition, {
      world,
      resume: "never",
      timeoutMs: PATIENCE_MS,
      observe: session.observe,
    });
    session.begin(joined);
    this.players.push({ name, session, client, leave: () => joined.leave() });
    this.timers.push(setInterval(() => session.say(FILLER), EVERY_MS));
  }

  /** Waits until each has so many answers more. */
  async answers(more: number): Promise<void> {
    const due = this.players.map(({ session }) => session.heardUpTo + more);
    const isDone = () => {
      assert.deepEqual(this.ends, [], "players were thrown out");
      return this.players.every(({ session }, at) => session.heardUpTo >= (due[at] ?? 0));
    };
    await until(`${more} more answers for everybody`, isDone, PATIENCE_MS);
  }

  /** Fails unless nobody lost a connection, a session or a moment of the world. */
  assertUndisturbed(): void {
    assert.deepEqual(this.lost, [], "no connection was touched");
    this.assertSameSessions();
  }

  /** Fails unless everybody is in the session of the beginning, and time never went back. */
  assertSameSessions(): void {
    assert.equal(this.rollbacks, 0, "time did not go back");
    for (const [name, sessions] of this.sessions) assert.equal(sessions.size, 1, name);
  }

  /** Fails unless all that was said and heard came once and in order, as the world's own accounts prove. */
  async assertHistory(): Promise<void> {
    this.silence();
    for (const { session } of this.players) session.balance();
    const isSettled = () => this.players.every(({ session }) => session.settled);
    await until("the last answers", isSettled, PATIENCE_MS);
    const { ok, complete, told } = this.checker.finish();
    assert.ok(ok, told.map(violationText).join("\n"));
    assert.ok(complete, "all that was acknowledged is proved");
  }

  close(): void {
    this.silence();
    for (const { client } of this.players) client.close();
  }

  private silence(): void {
    for (const timer of this.timers) clearInterval(timer);
  }
}
