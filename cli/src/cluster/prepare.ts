import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OperatingError } from "@atlasnet/core";
import { createCa, openCa } from "@atlasnet/identity";
import type { NodePlan } from "./layout.ts";
import {
  type ClusterFolder,
  caFolder,
  type NodeConfigOptions,
  nodeConfig,
  nodeConfigFile,
} from "./node-config.ts";

/** Name of the cluster in its certificates. */
const CLUSTER = "dev";

/**
 * Makes the folder of a cluster: its CA, unless there is one, and the configuration of every node. Nodes issue their
 * certificates themselves, from the CA's folder.
 * @throws OperatingError "unwritable-folder", and what the CA is refused for.
 */
export async function prepareFolder(options: Omit<NodeConfigOptions, "plan">): Promise<void> {
  const { folder, plans } = options;
  try {
    await mkdir(folder.dir, { recursive: true });
    await prepareCa(folder, plans);
    for (const plan of plans) {
      const file = nodeConfigFile(folder, plan.node);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, nodeConfig({ ...options, plan }));
    }
  } catch (cause) {
    if (cause instanceof OperatingError || !(cause instanceof Error && "code" in cause))
      throw cause;
    throw new OperatingError(
      "unwritable-folder",
      `--dir: the cluster's folder ${folder.dir} cannot be made`,
      {
        cause,
        hint: "Name a folder that this user may write.",
      },
    );
  }
}

async function prepareCa(folder: ClusterFolder, plans: readonly NodePlan[]): Promise<void> {
  const dir = caFolder(folder);
  try {
    await openCa(dir);
  } catch (error) {
    if (!(error instanceof OperatingError && error.code === "no-ca")) throw error;
    await createCa(dir, { cluster: CLUSTER });
    // Certificates of a CA that is gone are worth nothing.
    for (const { node } of plans)
      await rm(join(folder.dir, node, "identity"), { recursive: true, force: true });
  }
}
