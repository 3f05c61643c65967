import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { BadFile, HeaderReader, NewerFormat } from "@atlasnet/core/system";
import type { Position } from "./position.ts";

/** What a shard must remember from one start to the next, beside its state. */
export interface RunState {
  /** The epoch of the newest start. */
  epoch: number;
  timeline: number;
  /** Where the shard stood when it was stopped in order; absent while it runs and after a crash. */
  clean?: Position;
  /** Under which ownership it ran; absent for a world that no control plane gave to this node. */
  owner?: RunOwner;
}

export interface RunOwner {
  /** At which the shard acted. */
  epoch: number;
  /** `created` of the world's record in the catalogue. */
  world: number;
  /** See Ownership. */
  turn: number;
}

/**
 * The run file: one line of JSON, and the CRC-32 of that line in hexadecimal in the second. It is
 * replaced as a whole at every start and at a clean stop, so growing the epoch and removing the mark
 * of a clean stop are one step.
 */
const VERSION = 1;

export function encodeRun(run: RunState): Buffer {
  const line = JSON.stringify({ version: VERSION, ...run });
  return Buffer.from(`${line}\n${checksum(line)}\n`);
}

/** @throws BadFile, NewerFormat */
export function decodeRun(bytes: Uint8Array): RunState {
  const [line = "", sum] = Buffer.from(bytes).toString("utf8").split("\n");
  if (sum !== checksum(line)) throw new BadFile("does not match its checksum");
  const reader = new HeaderReader(JSON.parse(line));
  const version = reader.count("version");
  if (version > VERSION) throw new NewerFormat(version, VERSION);
  const run: RunState = { epoch: reader.count("epoch"), timeline: reader.count("timeline") };
  if (reader.raw("clean") !== undefined) {
    const clean = reader.nested("clean");
    run.clean = { epoch: clean.count("epoch"), tick: clean.count("tick") };
  }
  if (reader.raw("owner") !== undefined) {
    const owner = reader.nested("owner");
    run.owner = {
      epoch: owner.count("epoch"),
      world: owner.count("world"),
      turn: owner.count("turn"),
    };
  }
  return run;
}

function checksum(line: string): string {
  return crc32(line).toString(16).padStart(8, "0");
}
