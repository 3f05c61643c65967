import { getHeapStatistics } from "node:v8";
import { BroadcastChannel, isMainThread, threadId } from "node:worker_threads";

/**
 * Loaded into every thread of a measured server (`--import`), idle until asked: collects garbage
 * everywhere and adds up what the heaps hold then.
 */

export interface Reading {
  rssBytes: number;
  /** Heaps of all threads, and what they hold outside, after a collection. */
  heapBytes: number;
  threads: number;
  cpuSeconds: number;
}

interface Answer {
  thread: number;
  bytes: number;
}

/** Threads answer within this time; the world thread may be in the midst of something. */
const ANSWER_MS = 2_000;

const asked = new BroadcastChannel("bench-probe");
const answers = new BroadcastChannel("bench-probe-answers");

/** Twice, because the first collection lets finalizers run that free more. */
function collect(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function read(): Promise<Reading> {
  const heard = new Map<number, number>();
  answers.onmessage = (event) => {
    const { data } = event as { data: Answer };
    heard.set(data.thread, data.bytes);
  };
  asked.postMessage("collect");
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
  const own = collect();
  let heapBytes = own;
  for (const bytes of heard.values()) heapBytes += bytes;
  const rssBytes = process.memoryUsage.rss();
  return { rssBytes, heapBytes, threads: heard.size + 1, cpuSeconds: cpuSeconds() };
}

if (isMainThread) {
  process.on("message", (question: "read" | "cpu") => {
    if (question === "cpu") return process.send?.(cpuSeconds());
    // Others may be asked something by the same way.
    if (question !== "read") return undefined;
    read().then(
      (reading) => process.send?.(reading),
      (error: unknown) => console.error(error),
    );
    return undefined;
  });
  // The server ends when it has nothing left to do; being measured is nothing to do.
  process.channel?.unref();
} else {
  asked.onmessage = () => answers.postMessage({ thread: threadId, bytes: collect() });
}
asked.unref();
answers.unref();
