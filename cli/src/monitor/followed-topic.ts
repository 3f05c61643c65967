import type { Clock, TopicDatagram } from "@atlasnet/core";
import { type CompiledDefinition, sameBytes, type TopicChange } from "@atlasnet/world";
import { type FollowerEffect, TopicFollower } from "./topic-follower.ts";
import { TopicView } from "./topic-view.ts";

export interface FollowedTopicDependencies {
  clock: Clock;
  fetchTopic(behind: { run?: number; after?: number }): Promise<readonly TopicDatagram[]>;
  fetchDefinition(): Promise<CompiledDefinition>;
  changed?(change: TopicChange): void;
}

/** Sections that wait for the world's definition; with more of them full state is asked for. */
const MAX_UNREAD = 1_024;

/** One topic of one server as it is now: datagrams go in, entities come out. */
export class FollowedTopic {
  readonly follower = new TopicFollower();
  private readonly dependencies: FollowedTopicDependencies;
  private view: TopicView | undefined;
  private definition: CompiledDefinition | undefined;
  private definitionAsked = false;
  /** Sections of a definition that is on its way. */
  private unread: Extract<FollowerEffect, { type: "section" }>[] = [];
  private stopped = false;
  changes = 0;
  lastChange: TopicChange | undefined;
  /** What the server last refused; undefined while all is well. */
  problem: string | undefined;

  constructor(dependencies: FollowedTopicDependencies) {
    this.dependencies = dependencies;
  }

  get entities(): TopicView["entities"] {
    return this.view?.entities ?? new Map();
  }

  get tick(): number {
    return this.view?.tick ?? -1;
  }

  start(): void {
    this.perform(this.follower.start(this.now()));
  }

  /** What is on its way is forgotten when it comes. */
  stop(): void {
    this.stopped = true;
  }

  datagram(datagram: TopicDatagram): void {
    this.perform(this.follower.datagram(datagram, this.now()));
  }

  /** To be called several times a second. */
  sweep(): void {
    this.perform(this.follower.sweep(this.now()));
  }

  private now(): number {
    return this.dependencies.clock.now();
  }

  private perform(effects: readonly FollowerEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "section") this.section(effect);
      else this.fetch(effect);
    }
  }

  private fetch({ run, after }: { run?: number; after?: number }): void {
    const behind = run === undefined || after === undefined ? {} : { run, after };
    this.dependencies.fetchTopic(behind).then(
      (items) => {
        if (this.stopped) return;
        this.problem = undefined;
        this.perform(this.follower.answer(items, this.now()));
      },
      (error: unknown) => {
        if (this.stopped) return;
        this.problem = messageOf(error);
        this.follower.failed(this.now());
      },
    );
  }

  private section(effect: Extract<FollowerEffect, { type: "section" }>): void {
    const { last, section } = effect;
    if (this.definition === undefined || !sameBytes(this.definition.hash, last.schema)) {
      this.askDefinition();
      if (this.unread.length < MAX_UNREAD) this.unread.push(effect);
      else this.restart();
      return;
    }
    this.view ??= new TopicView(this.definition);
    const change = this.view.apply(last.tick, section);
    if (change === undefined) return this.restart();
    this.changes += 1;
    this.lastChange = change;
    this.dependencies.changed?.(change);
  }

  private restart(): void {
    this.unread = [];
    this.follower.restart(this.now());
  }

  private askDefinition(): void {
    if (this.definitionAsked) return;
    this.definitionAsked = true;
    this.dependencies.fetchDefinition().then(
      (definition) => {
        this.definitionAsked = false;
        if (this.stopped) return;
        this.definition = definition;
        this.view = undefined;
        const [next] = this.unread;
        // The definition may be a newer one than that of the sections: then full state is newer, too.
        if (next === undefined || !sameBytes(next.last.schema, definition.hash))
          return this.restart();
        for (const effect of this.unread.splice(0)) this.section(effect);
      },
      (error: unknown) => {
        this.definitionAsked = false;
        if (this.stopped) return;
        this.problem = messageOf(error);
        this.restart();
      },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
