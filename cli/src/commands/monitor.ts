import { DEFAULT_MULTICAST_ADDRESS, parseGroupAddress, type Timer } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { Monitor } from "../monitor/monitor.ts";
import { renderServers, renderTopic } from "../monitor/render.ts";
import { Screen } from "../monitor/screen.ts";
import { MAX_SERVERS } from "../monitor/server-table.ts";
import { aborted } from "../stop-signal.ts";
import { UsageError } from "../usage-error.ts";

interface MonitorFlags {
  multicast: string;
  interface?: string;
  topic?: string;
  json?: boolean;
  seconds?: string;
}

const TOPIC = /^([A-Za-z][A-Za-z0-9_-]{0,63})\/([A-Za-z0-9_,/-]{1,128})$/;
const MAX_SECONDS = 1_000_000;
const DEFAULT_ROWS = 24;

/** `atlasnet monitor`: the servers of a multicast group, until it is asked to stop. */
export function addMonitorCommand(program: Command, io: CliIo): void {
  program
    .command("monitor")
    .description("show the servers that send their figures to a multicast group")
    .option("--multicast <group:port>", "the group to listen to", DEFAULT_MULTICAST_ADDRESS)
    .option("--interface <address>", "IPv4 address of the interface to listen on")
    .option("--topic <world/topic>", "follow a topic, too, as in arena/cell/3,4")
    .option("--json", "print every announcement as a line of JSON")
    .option("--seconds <n>", "end after so many seconds")
    .action((flags: MonitorFlags) => run(flags, io));
}

async function run(flags: MonitorFlags, io: CliIo): Promise<void> {
  const group = parseGroupAddress(flags.multicast);
  if (group === undefined)
    throw new UsageError(
      `--multicast: found "${flags.multicast}", allowed: an IPv4 multicast group and a port, as in ${DEFAULT_MULTICAST_ADDRESS}`,
    );
  const topic = flags.topic === undefined ? undefined : parseTopic(flags.topic);
  const end = ending(parseSeconds(flags.seconds));
  const inPlace = flags.json !== true && io.terminal !== undefined;
  const monitor = new Monitor(
    { ...group, interface: flags.interface, topic },
    {
      clock: systemClock,
      failed: end.fail,
      announced: (announcement, source) => {
        if (flags.json === true) io.out(`${JSON.stringify({ ...announcement, source })}\n`);
        else if (!inPlace) io.out(plainText(announcement.server));
      },
      stale: (server) => {
        if (flags.json !== true && !inPlace) io.out(plainText(server));
      },
    },
  );
  const now = () => systemClock.now();
  const topicLines = (server: string) => {
    const followed = monitor.followed.get(server);
    return followed === undefined || flags.topic === undefined
      ? []
      : renderTopic(server, flags.topic, followed, io.width);
  };
  /** One server, as its announcement comes, and when it falls silent. */
  const plainText = (server: string) => {
    const rows = monitor.servers.list(now()).filter((row) => row.announcement.server === server);
    const lines = [...renderServers(rows, io.width).slice(1), ...topicLines(server)];
    return `${lines.join("\n")}\n`;
  };
  const allTopics = () =>
    flags.topic !== undefined && monitor.followed.size === 0
      ? [`no server has sent ${flags.topic} so far`]
      : [...monitor.followed.keys()].sort().flatMap(topicLines);
  const screen = new Screen({
    clock: systemClock,
    out: io.out,
    // Some terminals do not say.
    rows: () => io.terminal?.rows || DEFAULT_ROWS,
    lines: () => [
      `${flags.multicast}  (Ctrl+C ends)`,
      "",
      ...renderServers(monitor.servers.list(now()), io.width),
      ...(monitor.servers.refused > 0 ? [`servers beyond ${MAX_SERVERS} are left out`] : []),
      "",
      ...allTopics(),
    ],
  });
  try {
    await monitor.start();
    if (inPlace) screen.start();
    await Promise.race([aborted(io.stop), end.reached]);
  } finally {
    end.cancel();
    screen.stop();
    await monitor.stop();
  }
}

function parseTopic(text: string): { world: string; topic: string } {
  const [, world, topic] = TOPIC.exec(text) ?? [];
  if (world === undefined || topic === undefined)
    throw new UsageError(
      `--topic: found "${text}", allowed: WORLD/CHANNEL or WORLD/cell/X,Y, as in arena/cell/3,4`,
    );
  return { world, topic };
}

function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > MAX_SECONDS)
    throw new UsageError(
      `--seconds: found "${text}", allowed: a whole number from 1 to ${MAX_SECONDS}`,
    );
  return seconds;
}

/** The end by time, if there is one, or by a failure. */
function ending(seconds: number | undefined): {
  reached: Promise<void>;
  fail(error: Error): void;
  cancel(): void;
} {
  let timer: Timer | undefined;
  let fail: (error: Error) => void = () => undefined;
  const reached = new Promise<void>((resolve, reject) => {
    fail = reject;
    if (seconds !== undefined) timer = systemClock.setTimer(seconds * 1_000, resolve);
  });
  // It may fail before anybody waits for it.
  reached.catch(() => undefined);
  return { reached, fail: (error) => fail(error), cancel: () => timer?.cancel() };
}
