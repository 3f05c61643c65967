import type { ApiClient } from "@atlasnet/apiserver/client";
import { OperatingError } from "@atlasnet/core";
import * as v from "valibot";
import type { CliIo } from "../cli-io.ts";
import { aborted } from "../stop-signal.ts";
import { understood } from "./output.ts";

const loadClient = () => import("@atlasnet/apiserver/client");

/** Calls `changed` for each change of a stream until the process is asked to stop. @throws what ended it before */
export async function followStream<T>(
  io: CliIo,
  client: ApiClient,
  stream: {
    readonly path: string;
    readonly query: { readonly [name: string]: string | undefined };
    readonly after: number | undefined;
    readonly change: v.GenericSchema<unknown, T>;
    changed(change: T): void;
  },
): Promise<void> {
  const { EventReader } = await loadClient();
  const { path, query, after, change } = stream;
  const schema = v.looseObject({ changes: v.array(change) });
  let close = () => {};
  const ended = new Promise<void>((_resolve, reject) => {
    const reader = new EventReader(
      { path, query, after },
      {
        client,
        events: {
          changed: (data) => {
            for (const one of understood(schema, data).changes) stream.changed(one);
          },
          compacted: (revision) => reject(compactedError(revision)),
          failed: reject,
        },
      },
    );
    close = () => reader.close();
  });
  try {
    await Promise.race([aborted(io.stop), ended]);
  } finally {
    close();
  }
}

function compactedError(revision: number): OperatingError {
  return new OperatingError(
    "compacted",
    `the changes since then are forgotten; the store is at revision ${revision}`,
    {
      hint: "List what is there now, and watch from the revision of that list, or without --after.",
    },
  );
}
