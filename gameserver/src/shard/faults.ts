import { clipText } from "@atlasnet/core";
import { type CompiledDefinition, DecodeError } from "@atlasnet/world";
import type { WorldEvent } from "./world-module.ts";

/** Something world code did wrong; its writes were taken back. */
export interface Fault {
  kind: "threw" | "time-limit";
  /** The event whose handler it was. */
  event: string;
  tick: number;
  message: string;
  stack: string;
  /** Whose message, input, join or the like it was; absent for what the world does by itself. */
  session?: number;
}

/** Faults told of one tick; the others are counted. */
export const MAX_FAULTS_PER_TICK = 20;
/** Ticks in a row with a fault of `tick`, or with an interruption, before the world is stopped. */
export const MAX_FAULTY_TICKS = 10;
export const MAX_INTERRUPTED_TICKS = 3;

/** The faults of one tick, and how many ticks in a row had the kind that stops a world. */
export class FaultLog {
  private list: Fault[] = [];
  private unlisted = 0;
  private tickFailed = false;
  private faultyTicks = 0;
  private interruptedTicks = 0;

  begin(): void {
    this.list = [];
    this.unlisted = 0;
    this.tickFailed = false;
  }

  /** The faults of this tick that are told. */
  get told(): Fault[] {
    return this.list;
  }

  /** Faults of this tick beyond MAX_FAULTS_PER_TICK. */
  get more(): number {
    return this.unlisted;
  }

  /** A handler threw. What it may throw without being at fault is not a fault. */
  threw(error: unknown, event: WorldEvent, definition: CompiledDefinition, tick: number): void {
    if (event.type === "tick") this.tickFailed = true;
    if (isExpected(error, event)) return;
    if (this.list.length < MAX_FAULTS_PER_TICK || event.type === "tick")
      this.list.push({
        ...faultOf(error, eventName(event, definition), tick),
        ...("session" in event ? { session: event.session } : {}),
      });
    else this.unlisted += 1;
  }

  interrupted(event: string, tick: number, session?: number): void {
    const message = `the handler of "${event}" ran into the time limit and was taken back`;
    const fault = { kind: "time-limit", event, tick, message, stack: "" } as const;
    this.list.push(session === undefined ? fault : { ...fault, session });
  }

  /** True when the world has failed too often in a row to go on. */
  endTick(interrupted: boolean): boolean {
    this.interruptedTicks = interrupted ? this.interruptedTicks + 1 : 0;
    this.faultyTicks = this.tickFailed || interrupted ? this.faultyTicks + 1 : 0;
    return this.interruptedTicks >= MAX_INTERRUPTED_TICKS || this.faultyTicks >= MAX_FAULTY_TICKS;
  }
}

/** An event as people know it: `input.move`, `timer.respawn`, `tick`. */
export function eventName(event: WorldEvent, definition: CompiledDefinition): string {
  switch (event.type) {
    case "input":
      return `input.${definition.inputs[event.index]?.name ?? event.index}`;
    case "message":
      return `message.${definition.clientMessages[event.index]?.name ?? event.index}`;
    case "timer":
      return `timer.${event.name}`;
    default:
      return event.type;
  }
}

/** By its code: a bundled module brings a class of its own. */
export function isJoinRefused(error: unknown): error is { message: unknown } {
  return error instanceof Error && "code" in error && error.code === "join-refused";
}

function isExpected(error: unknown, { type }: WorldEvent): boolean {
  if (error instanceof DecodeError)
    return type === "join" || type === "input" || type === "message";
  return type === "join" && isJoinRefused(error);
}

const MAX_FAULT_MESSAGE_BYTES = 2_000;
const MAX_FAULT_STACK_BYTES = 8_000;

function faultOf(error: unknown, event: string, tick: number): Fault {
  const isError = error instanceof Error;
  return {
    kind: "threw",
    event,
    tick,
    message: clipText(
      isError ? textOf(error.message) : `threw ${textOf(error)}`,
      MAX_FAULT_MESSAGE_BYTES,
    ),
    stack: isError ? clipText(ownFrames(textOf(error.stack ?? "")), MAX_FAULT_STACK_BYTES) : "",
  };
}

/** World code can throw what cannot even be shown. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "something that cannot be shown as text";
  }
}

/** A stack down to where world code was called; the rest says nothing about the world. */
function ownFrames(stack: string): string {
  const lines = stack.split("\n");
  const end = lines.findIndex((line) => line.includes("TypeScriptModule."));
  return (end < 0 ? lines : lines.slice(0, end)).join("\n");
}
