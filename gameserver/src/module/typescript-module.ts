import {
  ByteReader,
  type CompiledDefinition,
  type CompiledStruct,
  checkDefinition,
  DecodeError,
  type DefinitionData,
  type OldEntity,
  type Plain,
  type StructCodec,
  type StructValue,
  type World,
} from "@atlasnet/world";
import type { Store } from "../shard/store.ts";
import type { WorldEvent, WorldModule } from "../shard/world-module.ts";
import { ModuleContext, type ModulePlayer } from "./context.ts";

/** Handlers as the adapter calls them; their real types come from the module's definition. */
interface LooseBehaviour {
  create?(ctx: unknown): unknown;
  join?(ctx: unknown, player: unknown, params: StructValue): unknown;
  leave?(ctx: unknown, player: unknown, reason: string): unknown;
  drop?(ctx: unknown, player: unknown): unknown;
  resume?(ctx: unknown, player: unknown): unknown;
  input?: { readonly [name: string]: PayloadHandler | undefined };
  message?: { readonly [name: string]: PayloadHandler | undefined };
  timer?: { readonly [name: string]: ((ctx: unknown, data: Plain) => unknown) | undefined };
  response?(ctx: unknown, response: unknown): unknown;
  tick?(ctx: unknown): unknown;
  upgrade?(old: OldEntity, oldVersion: number): unknown;
}

type PayloadHandler = (ctx: unknown, player: unknown, payload: StructValue) => unknown;

/** A module that is not one: no definition, wrong handlers. */
export class ModuleError extends Error {
  readonly code = "bad-module";
  constructor(problem: string) {
    super(problem);
    this.name = "ModuleError";
  }
}

/** A world written in TypeScript or JavaScript (`implementWorld`), behind the WorldModule port. */
export class TypeScriptModule implements WorldModule {
  readonly definition: DefinitionData;
  readonly hasTick: boolean;
  private readonly behaviour: LooseBehaviour;
  private readonly config: Plain;
  private readonly contexts = new WeakMap<Store, ModuleContext>();
  /** One for all payloads: none is read while another one is. */
  private readonly reader = new ByteReader(NOTHING);

  /** @throws ModuleError or DefinitionError when the export is not a world. */
  constructor(world: World, config: Plain) {
    if (typeof world?.definition?.data !== "object" || typeof world.behaviour !== "object")
      throw new ModuleError(
        "the module's export `world` is not a world: export const world = implementWorld(definition, {…})",
      );
    checkDefinition(world.definition.data);
    this.definition = world.definition.data;
    this.behaviour = world.behaviour as LooseBehaviour;
    this.config = config;
    this.hasTick = this.behaviour.tick !== undefined;
    this.checkHandlers();
  }

  handle(event: WorldEvent, store: Store): void {
    const context = this.contextOf(store);
    const result = this.dispatch(event, store.definition, context);
    if (!isThenable(result)) return;
    // It is reported here; its own failure later on must not end the thread.
    result.then(undefined, () => undefined);
    throw new ModuleError(
      `the ${event.type} handler is async; handlers are synchronous (use ctx.request for the outside)`,
    );
  }

  upgrade(old: OldEntity, oldVersion: number): OldEntity["components"] | undefined {
    if (this.behaviour.upgrade === undefined) return undefined;
    const upgraded = this.behaviour.upgrade(old, oldVersion);
    if (upgraded === undefined || (typeof upgraded === "object" && upgraded !== null))
      return upgraded as OldEntity["components"] | undefined;
    throw new ModuleError("upgrade(old) must return components by name, or undefined");
  }

  get canUpgrade(): boolean {
    return this.behaviour.upgrade !== undefined;
  }

  private dispatch(
    event: WorldEvent,
    definition: CompiledDefinition,
    context: ModuleContext,
  ): unknown {
    const { behaviour } = this;
    switch (event.type) {
      case "create":
        return behaviour.create?.(context);
      case "join":
        return behaviour.join?.(
          context,
          player(context, event.session),
          event.params === undefined
            ? definition.join.check({}, "join")
            : this.decode(definition.join, event.params),
        );
      case "leave":
        return behaviour.leave?.(context, player(context, event.session), event.reason);
      case "drop":
        return behaviour.drop?.(context, player(context, event.session));
      case "resume":
        return behaviour.resume?.(context, player(context, event.session));
      case "input": {
        const struct = structAt(definition.inputs, event.index, "input");
        const payload = this.decode(struct.codec, event.payload);
        return behaviour.input?.[struct.name]?.(context, player(context, event.session), payload);
      }
      case "message": {
        const struct = structAt(definition.clientMessages, event.index, "message");
        const payload = this.decode(struct.codec, event.payload);
        return behaviour.message?.[struct.name]?.(context, player(context, event.session), payload);
      }
      case "timer": {
        const handler = behaviour.timer?.[event.name];
        if (handler === undefined)
          throw new ModuleError(`a timer "${event.name}" is due and there is no such handler`);
        return handler(context, event.data);
      }
      case "response":
        return behaviour.response?.(context, event.response);
      case "tick":
        return behaviour.tick?.(context);
    }
  }

  private decode(codec: StructCodec, payload: Uint8Array): StructValue {
    const { reader } = this;
    reader.reset(payload);
    const value = codec.decode(reader);
    reader.end();
    return value;
  }

  private contextOf(store: Store): ModuleContext {
    let context = this.contexts.get(store);
    if (context === undefined) {
      context = new ModuleContext(store, this.config);
      this.contexts.set(store, context);
    }
    return context;
  }

  /** A handler under a misspelled name would never run: that is said at the start. */
  private checkHandlers(): void {
    const names = (items: readonly { name: string }[]) => new Set(items.map((item) => item.name));
    const groups = [
      ["input", this.behaviour.input, names(this.definition.inputs)],
      ["message", this.behaviour.message, names(this.definition.clientMessages)],
    ] as const;
    for (const [group, handlers, known] of groups)
      for (const name of Object.keys(handlers ?? {}))
        if (!known.has(name))
          throw new ModuleError(
            `${group}.${name} handles nothing: the definition has ${[...known].join(", ") || "none"}`,
          );
    const allowed = "create join leave drop resume input message timer response tick upgrade".split(
      " ",
    );
    for (const name of Object.keys(this.behaviour))
      if (!allowed.includes(name))
        throw new ModuleError(`unknown handler "${name}"; handlers are ${allowed.join(", ")}`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

function player(context: ModuleContext, session: number): ModulePlayer {
  const found = context.player(session);
  if (found === undefined) throw new Error(`event for session ${session}, which is not there`);
  return found;
}

function structAt(structs: readonly CompiledStruct[], index: number, kind: string): CompiledStruct {
  const struct = structs[index];
  if (struct === undefined) throw new DecodeError(`${kind} ${index} is not in the definition`);
  return struct;
}

const NOTHING = new Uint8Array(0);
