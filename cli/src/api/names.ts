import { isNodeName, isWorldName, NODE_NAME_ALLOWED, WORLD_NAME_ALLOWED } from "@atlasnet/core";
import { UsageError } from "../usage-error.ts";

/** `option`: where it stands on the command line, as in `--to` or `<world>`. @throws UsageError */
export function checkWorld(option: string, name: string): string {
  if (isWorldName(name)) return name;
  throw new UsageError(`${option}: found "${name}", allowed: ${WORLD_NAME_ALLOWED}`);
}

/** @throws UsageError */
export function checkNode(option: string, name: string): string {
  if (isNodeName(name)) return name;
  throw new UsageError(`${option}: found "${name}", allowed: ${NODE_NAME_ALLOWED}`);
}

/** Of the world in the API. @throws UsageError */
export function worldPath(world: string): string {
  return `/v1/worlds/${checkWorld("<world>", world)}`;
}

/** Of the node in the API. @throws UsageError */
export function nodePath(node: string): string {
  return `/v1/nodes/${checkNode("<node>", node)}`;
}
