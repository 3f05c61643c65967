import assert from "node:assert/strict";
import type { ClientWorld } from "@atlasnet/client";
import { reached } from "@atlasnet/core/testing";
import { CELL, type Ledger, SIZE, VIEW } from "./ledger-world.ts";

/** How often a player says and does something. */
const EVERY_MS = 50;

/** Components of an entity as both sides tell them, without those of owners. */
interface Told {
  readonly id: number;
  readonly position?: { readonly x: number; readonly y: number };
  readonly mark?: { readonly n: number };
  readonly board?: { readonly ticks: number };
}

/** A client of the ledger: it talks and walks, and keeps books of what it hears. */
export class LedgerPlayer {
  readonly world: ClientWorld<Ledger>;
  /** Numbers of its messages that the world has answered, and of the news, as they came. */
  readonly said: number[] = [];
  readonly news: number[] = [];
  /** What somebody found to be wrong. */
  readonly wrong: string[] = [];
  /** Messages and inputs sent. */
  sent = 0;
  frozen = false;
  /** Why it lost connections, one for each. */
  readonly dropReasons: string[] = [];
  private inputs = 0;
  private told: readonly Told[] | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(world: ClientWorld<Ledger>) {
    this.world = world;
    world.onMessage("said", ({ n }) => this.said.push(n));
    world.onMessage("news", ({ n }) => this.news.push(n));
    world.onMessage("wrong", ({ text }) => this.wrong.push(text));
    world.onMessage("frozen", () => {
      this.frozen = true;
    });
    world.onMessage("told", ({ json }) => {
      this.told = JSON.parse(json);
    });
    world.onDrop((reason) => this.dropReasons.push(reason));
    world.onRollback(() => this.wrong.push("rollback"));
    world.onClose(({ code, reason }) => this.wrong.push(`closed: ${code} (${reason})`));
  }

  /** Sends `count` messages and as many inputs, at a steady rate, whatever comes back. */
  talk(count: number): void {
    const end = this.sent + count;
    this.timer = setInterval(() => {
      this.sent += 1;
      // Every tenth is larger than a packet.
      const filler = this.sent % 10 === 0 ? "x".repeat(3_000) : "";
      this.world.send("say", { n: this.sent, filler });
      this.go((this.sent * 7) % SIZE, (this.sent * 3) % SIZE);
      if (this.sent === end) this.stop();
    }, EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Connections it lost. */
  get drops(): number {
    return this.dropReasons.length;
  }

  /** It has said all it has to say, and everything was answered. */
  get answered(): boolean {
    return this.timer === undefined && this.said.at(-1) === this.sent;
  }

  /** Goes into the middle of a cell, where it is plain what is in view. Inputs may be lost: until it is there. */
  async settle(): Promise<void> {
    const x = 4.5 * CELL;
    const y = 5.5 * CELL;
    this.timer = setInterval(() => this.go(x, y), EVERY_MS);
    await reached(() => {
      const position = this.world.own?.position;
      return position?.x === x && position.y === y;
    });
    this.stop();
  }

  /** Fails unless reliable messages came once and in order both ways. */
  assertBooks(): void {
    assert.deepEqual(this.wrong, []);
    assert.deepEqual(
      this.said,
      Array.from({ length: this.sent }, (_, n) => n + 1),
    );
    const [first = 0] = this.news;
    assert.ok(this.news.length > 10, "there was news");
    assert.deepEqual(
      this.news,
      this.news.map((_, n) => first + n),
    );
    assert.equal(this.world.own?.purse?.n, this.sent);
  }

  /** Asks the frozen world what it is like, and waits until this is what is in view. */
  async assertMirror(): Promise<void> {
    this.world.send("tell", {});
    await reached(() => this.told !== undefined);
    const expected = JSON.stringify(this.told?.filter(inView).map(plain));
    const seen = () =>
      JSON.stringify([...this.world.entities.values()].sort((a, b) => a.id - b.id).map(plain));
    try {
      await reached(() => seen() === expected);
    } catch {
      // Shows where they differ.
      assert.equal(seen(), expected);
    }
  }

  private go(x: number, y: number): void {
    this.inputs += 1;
    this.world.input("go", { n: this.inputs, x, y });
  }
}

/** Seen by whoever is settled. */
function inView({ position }: Told): boolean {
  if (position === undefined) return true;
  return Math.abs(cellOf(position.x) - 4) <= VIEW && Math.abs(cellOf(position.y) - 5) <= VIEW;
}

function cellOf(at: number): number {
  return Math.min(Math.floor(at / CELL), SIZE / CELL - 1);
}

function plain({ id, position, mark, board }: Told) {
  return {
    id,
    at: position === undefined ? undefined : [position.x, position.y],
    mark: mark?.n,
    ticks: board?.ticks,
  };
}
