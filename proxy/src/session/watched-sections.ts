import type { ClientFeed, WatchedSection } from "./client-feed.ts";
import type { CurrentBatch } from "./frame-writer.ts";

/** The sections of this batch for a watcher's topics; with `full`, all of them in full. */
export function watchedSections(
  feed: ClientFeed,
  full: boolean,
  batch: CurrentBatch,
): WatchedSection[] {
  const { serial, bytes } = batch;
  const { slots, freshIn } = feed.table;
  const sections: WatchedSection[] = [];
  slots.forEach((topic, slot) => {
    if (topic === undefined) return;
    if (full || freshIn[slot] === serial) {
      if (topic.fullSerial === serial)
        sections.push({
          topic: topic.topic,
          bytes: bytes.subarray(topic.fullStart, topic.fullEnd),
        });
    } else if (topic.deltaSerial === serial) {
      sections.push({
        topic: topic.topic,
        bytes: bytes.subarray(topic.deltaStart, topic.deltaEnd),
      });
    }
  });
  return sections;
}
