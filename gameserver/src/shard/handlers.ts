import { eventName, type FaultLog } from "./faults.ts";
import type { InputLog } from "./input-log.ts";
import type { Effect, Store } from "./store.ts";
import type { WorldEvent, WorldModule } from "./world-module.ts";

/** What world code asked for, granted once its handler and the event are through. */
export type Wish = Exclude<Effect, { type: "log" }>;

/** Runs the handlers of world code, one at a time: each leaves all it did, or nothing but a fault. */
export class Handlers {
  private readonly module: WorldModule;
  private readonly store: Store;
  private readonly inputs: InputLog;
  private readonly faults: FaultLog;
  /** The event handled last, for the report of an interruption. */
  private running: WorldEvent | undefined;
  /** The savepoint that its handler began with; one above it once the handler is through. */
  private startsAt = 0;
  readonly wishes: Wish[] = [];
  /** How many effects of this tick were looked through for wishes. */
  private lookedAt = 0;

  constructor(module: WorldModule, store: Store, inputs: InputLog, faults: FaultLog) {
    this.module = module;
    this.store = store;
    this.inputs = inputs;
    this.faults = faults;
  }

  /** Begins a tick. */
  begin(): void {
    this.running = undefined;
    this.lookedAt = 0;
    this.store.savepoint();
  }

  get hasTick(): boolean {
    return this.module.hasTick;
  }

  get runningName(): string {
    return this.running === undefined
      ? "the tick's own work"
      : eventName(this.running, this.store.definition);
  }

  /** Something else is begun: no handler is at work. */
  rest(): void {
    this.running = undefined;
    this.inputs.mark();
  }

  /** The event whose handler was begun last, since `rest`. */
  get last(): WorldEvent | undefined {
    return this.running;
  }

  /** How far it is. What was done for it before it was `at-work` is taken back with whatever came before it. */
  get progress(): "begins" | "at-work" | "through" {
    const { mark } = this.store.undo;
    if (mark === this.startsAt) return "at-work";
    return mark < this.startsAt ? "begins" : "through";
  }

  /** What was handled since `rest` will be handled again: it is to stand in the delta once. */
  forgetNoted(): void {
    this.inputs.backToMark();
  }

  /** Handles an event that came from outside: it stands in the delta. Returns what was thrown. */
  handle(event: WorldEvent): unknown {
    this.inputs.note(event);
    return this.run(event);
  }

  /** Handles an event that follows from the state. Returns what was thrown. */
  run(event: WorldEvent): unknown {
    const { store } = this;
    this.running = event;
    this.startsAt = store.undo.mark + 1;
    store.savepoint();
    try {
      this.module.handle(event, store);
    } catch (error) {
      store.rollback(false);
      // The next try draws other numbers: bad luck is not repeated for ever.
      store.random.next();
      this.faults.threw(error, event, store.definition, store.tick);
      return error;
    }
    store.savepoint();
    this.takeWishes();
    return undefined;
  }

  /** The effects that stand are not taken back any more. */
  private takeWishes(): void {
    const { effects } = this.store;
    for (; this.lookedAt < effects.length; this.lookedAt++) {
      const effect = effects[this.lookedAt];
      if (effect !== undefined && effect.type !== "log") this.wishes.push(effect);
    }
  }

  /** After an interruption: takes back what the handler at work did. */
  takeBack(): void {
    this.store.rollback(true);
    // Of a handler that was through when the limit struck behind it.
    this.takeWishes();
    this.inputs.dropUnfinished();
  }

  /** After an interruption for which the handler is to blame. */
  interrupted(): void {
    this.takeBack();
    // The next try draws other numbers, as after a handler that threw.
    this.store.random.next();
    const { running } = this;
    const session = running !== undefined && "session" in running ? running.session : undefined;
    this.faults.interrupted(this.runningName, this.store.tick, session);
  }
}
