import type { ValueOfSetting } from "./setting.ts";
import { apiserverSettings } from "./settings/apiserver.ts";
import { artifactSettings } from "./settings/artifacts.ts";
import { clusterSettings } from "./settings/cluster.ts";
import { discoverySettings } from "./settings/discovery.ts";
import { gameserverSettings } from "./settings/gameserver.ts";
import { linkSettings } from "./settings/links.ts";
import { pageSettings } from "./settings/pages.ts";
import { placementSettings } from "./settings/placement.ts";
import { processSettings } from "./settings/process.ts";
import { proxySettings } from "./settings/proxy.ts";
import { snapshotSettings } from "./settings/snapshots.ts";
import { telemetrySettings } from "./settings/telemetry.ts";
import { ticketSettings } from "./settings/tickets.ts";

/**
 * Every setting, in the order of the help and the example file. The first part of a path is a table
 * of the file; worlds and services are in world-settings.ts.
 */
export const settings = {
  ...processSettings,
  ...proxySettings,
  ...pageSettings,
  ...gameserverSettings,
  ...snapshotSettings,
  ...apiserverSettings,
  ...placementSettings,
  ...clusterSettings,
  ...artifactSettings,
  ...discoverySettings,
  ...linkSettings,
  ...ticketSettings,
  ...telemetrySettings,
} as const;

export type SettingPath = keyof typeof settings;

type FlatSettings = { readonly [P in SettingPath]: ValueOfSetting<(typeof settings)[P]> };
type Head<P> = P extends `${infer H}.${string}` ? H : P;
type Below<T, H extends string> = {
  [P in keyof T as P extends `${H}.${infer Rest}` ? Rest : never]: T[P];
};
/** `{"a.b": X}` as `{a: {b: X}}`. */
type Tree<T> = {
  readonly [H in Head<keyof T> & string]: H extends keyof T ? T[H] : Tree<Below<T, H>>;
};

/** The settings' values as a tree: `proxy.port` is `values.proxy.port`. */
export type SettingValues = Tree<FlatSettings>;
