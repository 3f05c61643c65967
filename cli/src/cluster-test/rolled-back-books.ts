import assert from "node:assert/strict";
import type { LedgerPlayer } from "@atlasnet/monolith/testing";

/** What a player heard between two rollbacks: numbers of answers and of news, as they came. */
interface Stretch {
  readonly said: number[];
  readonly news: number[];
}

/**
 * The books of a player whose world may go back: the newest of its past is lost then, and nothing else is. Beside
 * the player's own notes, in which a rollback is a fault.
 */
export class RolledBackBooks {
  private readonly player: LedgerPlayer;
  private readonly stretches: [Stretch, ...Stretch[]] = [{ said: [], news: [] }];
  private current: Stretch = this.stretches[0];

  constructor(player: LedgerPlayer) {
    this.player = player;
    const { world } = player;
    world.onMessage("said", ({ n }) => this.current.said.push(n));
    world.onMessage("news", ({ n }) => this.current.news.push(n));
    world.onRollback(() => {
      this.current = { said: [], news: [] };
      this.stretches.push(this.current);
    });
  }

  get rollbacks(): number {
    return this.stretches.length - 1;
  }

  /** Fails unless all between two rollbacks came once and in order: for a world that begins anew elsewhere. */
  assertOrder(): void {
    for (const [at, { said, news }] of this.stretches.entries()) {
      ascending(said, `answers of stretch ${at}`);
      consecutive(news, `news of stretch ${at}`);
    }
  }

  /**
   * Fails unless all came once and in order but for what each rollback took back, which is `most` ticks of the
   * world at most. What is lost of the player's messages the world notices, and says: those are all.
   */
  assertWell(most: number): void {
    const { sent, wrong, world } = this.player;
    let lost = 0;
    let [lastSaid, lastNews] = [0, 0];
    for (const [at, { said, news }] of this.stretches.entries()) {
      // A stretch may be cut off by the next rollback before anything was heard.
      const [firstSaid = lastSaid + 1] = said;
      const [firstNews = lastNews + 1] = news;
      consecutive(said, `answers of stretch ${at}`);
      consecutive(news, `news of stretch ${at}`);
      assert.ok(firstSaid > lastSaid, `answer ${firstSaid} once more, after ${lastSaid}`);
      lost += firstSaid - lastSaid - 1;
      if (at > 0) {
        const back = lastNews + 1 - firstNews;
        assert.ok(back <= most, `${back} ticks of news were taken back, ${most} may be`);
      }
      lastSaid = said.at(-1) ?? lastSaid;
      lastNews = news.at(-1) ?? lastNews;
    }
    assert.equal(lastSaid, sent, "the last message was answered");
    assert.equal(world.own?.purse?.n, sent);
    assert.ok(lost <= most * this.rollbacks, `${lost} messages were not answered`);
    // Everybody is told of every gap; ours and others' are alike.
    const other = wrong.filter(
      (text) => text !== "rollback" && !/^message \d+ after \d+$/.test(text),
    );
    assert.deepEqual(other, []);
    for (const text of wrong) {
      const [, n, after] = /^message (\d+) after (\d+)$/.exec(text) ?? [];
      assert.ok(n === undefined || Number(n) > Number(after), `${text}: applied twice`);
    }
  }
}

function consecutive(numbers: readonly number[], what: string): void {
  const [first = 0] = numbers;
  assert.deepEqual(
    numbers,
    numbers.map((_, at) => first + at),
    what,
  );
}

/** What was lost with a world that is gone may be missing. */
function ascending(numbers: readonly number[], what: string): void {
  for (const [at, number] of numbers.entries())
    assert.ok(number > (numbers[at - 1] ?? 0), `${what}: ${number} after ${numbers[at - 1]}`);
}
