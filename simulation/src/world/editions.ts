import { fileURLToPath } from "node:url";
import type { definition } from "@atlasnet/history/world";
import { fastDefinition } from "./fast-checker.ts";
import { renewedDefinition } from "./renewed.ts";
import { slowDefinition } from "./slow-checker.ts";
// Loaded here, all of them: gameservers would wait for real files otherwise, and nothing here waits for them.
import "./patched-fast.ts";
import "./patched-slow.ts";
import "./refuses.ts";
import "./stumbles.ts";

/**
 * Versions of the world that an operator may bring to one that runs:
 *
 * - `first`: as worlds are made.
 * - `patched`: other code under the same definition, so that players stay.
 * - `renewed`: another definition. Its `upgrade` changes every entity by RENEWED_BY; players have to come in anew.
 * - `refuses`: its `upgrade` throws.
 * - `stumbles`: its first tick throws.
 */
export const EDITIONS = ["first", "patched", "renewed", "refuses", "stumbles"] as const;
export type Edition = (typeof EDITIONS)[number];

type Pace = "fast" | "slow";

const FILES: { readonly [pace in Pace]: { readonly [edition in Edition]: string } } = {
  slow: {
    first: fileOf("./slow-checker.js"),
    patched: fileOf("./patched-slow.js"),
    renewed: fileOf("./renewed.js"),
    refuses: fileOf("./refuses.js"),
    stumbles: fileOf("./stumbles.js"),
  },
  fast: {
    first: fileOf("./fast-checker.js"),
    patched: fileOf("./patched-fast.js"),
    renewed: fileOf("./renewed.js"),
    refuses: fileOf("./refuses.js"),
    stumbles: fileOf("./stumbles.js"),
  },
};

/** What a world's record names to run it. */
export function editionFile(edition: Edition, { slowWorlds }: { slowWorlds: boolean }): string {
  return FILES[slowWorlds ? "slow" : "fast"][edition];
}

/** Which one a file is; undefined: none. */
export function editionOf(file: string): Edition | undefined {
  return EDITIONS.find((edition) => FILES.slow[edition] === file || FILES.fast[edition] === file);
}

/** Whether a world that ran `before` last can go on as `next`: what a trial has to find out. */
export function mayFollow(before: unknown, next: Edition): boolean {
  if (next === "refuses" || next === "stumbles") return false;
  // Nothing brings the entities of a renewed world back.
  return before !== "renewed" || next === "renewed";
}

/** What clients may have been built with, the usual first. */
export function definitionsOf({
  slowWorlds,
}: {
  slowWorlds: boolean;
}): readonly (typeof definition)[] {
  return [slowWorlds ? slowDefinition : fastDefinition, renewedDefinition];
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
