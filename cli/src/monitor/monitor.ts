import {
  type Announcement,
  type Clock,
  decodeAnnouncement,
  decodeTopicDatagram,
  type GroupAddress,
  looksLikeAnnouncement,
  type Timer,
  type TopicDatagram,
} from "@atlasnet/core";
import { DecodeError, type TopicChange } from "@atlasnet/world";
import { FollowedTopic } from "./followed-topic.ts";
import { GroupSocket } from "./group-socket.ts";
import { fetchDefinition, fetchTopic, serverUrl } from "./server-client.ts";
import { REMOVE_MS, ServerTable } from "./server-table.ts";

/** How often missing datagrams are looked for. */
const SWEEP_MS = 20;
/** Servers whose topic is followed at a time. */
const MAX_FOLLOWED = 16;

export interface MonitorOptions extends GroupAddress {
  /** Address of the interface to listen on; undefined: the system chooses. */
  interface: string | undefined;
  /** The topic to follow, of every server that sends it. */
  topic: { world: string; topic: string } | undefined;
}

export interface MonitorDependencies {
  clock: Clock;
  announced?(announcement: Announcement, source: string): void;
  /** A server fell silent. */
  stale?(server: string): void;
  changed?(server: string, change: TopicChange): void;
  /** The socket failed; nothing comes any more. */
  failed(error: Error): void;
  /** What is true for gets lost: for tests. */
  lose?(datagram: TopicDatagram): boolean;
}

/** Listens to a group: a table of its servers, and a topic as it is on each of them. */
export class Monitor {
  readonly servers = new ServerTable();
  readonly followed = new Map<string, FollowedTopic>();
  /** Datagrams that are neither announcements nor parts of topics. */
  malformed = 0;
  private readonly options: MonitorOptions;
  private readonly dependencies: MonitorDependencies;
  private readonly socket: GroupSocket;
  private timer: Timer | undefined;
  private readonly ending = new AbortController();

  constructor(options: MonitorOptions, dependencies: MonitorDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.socket = new GroupSocket(options, {
      datagram: (bytes, source) => this.take(bytes, source),
      failed: (error) => dependencies.failed(error),
    });
  }

  /** @throws OperatingError when the group cannot be joined. */
  async start(): Promise<void> {
    await this.socket.start();
    this.sweep();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.timer?.cancel();
    for (const topic of this.followed.values()) topic.stop();
    this.ending.abort();
    await this.socket.stop();
  }

  private take(bytes: Uint8Array, source: string): void {
    if (looksLikeAnnouncement(bytes)) {
      const announcement = decodeAnnouncement(bytes);
      if (announcement === undefined) this.malformed += 1;
      else this.announced(announcement, source);
      return;
    }
    try {
      // A copy: parts wait for others, and should not keep the socket's buffers.
      this.datagram(decodeTopicDatagram(new Uint8Array(bytes)));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.malformed += 1;
    }
  }

  private announced(announcement: Announcement, source: string): void {
    const { clock } = this.dependencies;
    if (!this.servers.take(announcement, source, clock.now())) return;
    this.dependencies.announced?.(announcement, source);
  }

  private datagram(datagram: TopicDatagram): void {
    const { topic } = this.options;
    const { server } = datagram;
    if (topic === undefined || datagram.world !== topic.world || datagram.topic !== topic.topic)
      return;
    if (this.dependencies.lose?.(datagram) === true) return;
    // Until it announced itself, nobody knows whom to ask.
    if (this.servers.get(server) === undefined) return;
    this.follow(server, topic)?.datagram(datagram);
  }

  private follow(
    server: string,
    topic: { world: string; topic: string },
  ): FollowedTopic | undefined {
    const known = this.followed.get(server);
    if (known !== undefined) return known;
    if (this.followed.size >= MAX_FOLLOWED) return undefined;
    const address = () => {
      const row = this.servers.get(server);
      if (row === undefined) throw new Error(`server ${server} is gone`);
      return { url: serverUrl(row.announcement.tcp, row.source), stop: this.ending.signal };
    };
    const followed = new FollowedTopic({
      clock: this.dependencies.clock,
      fetchTopic: async (behind) => fetchTopic(address(), topic, behind),
      fetchDefinition: async () => fetchDefinition(address(), topic.world),
      changed: (change) => this.dependencies.changed?.(server, change),
    });
    this.followed.set(server, followed);
    followed.start();
    return followed;
  }

  private sweep(): void {
    if (this.ending.signal.aborted) return;
    const { clock } = this.dependencies;
    for (const server of this.servers.newlyStale(clock.now())) this.dependencies.stale?.(server);
    for (const [server, topic] of this.followed) {
      const row = this.servers.get(server);
      if (row === undefined || clock.now() - row.heardAt >= REMOVE_MS) {
        topic.stop();
        this.followed.delete(server);
      } else topic.sweep();
    }
    this.timer = clock.setTimer(SWEEP_MS, () => this.sweep());
  }
}
