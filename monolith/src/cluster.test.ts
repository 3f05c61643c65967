import { InProcessNetwork } from "@atlasnet/core";
import { clusterSuite } from "./testing/cluster-suite.ts";

// Messages go through the codec, as they would between processes.
clusterSuite("in-process", async () => new InProcessNetwork({ verify: true }));
