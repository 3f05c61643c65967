import { linkKinds } from "@atlasnet/quic/testing";
import { clusterSuite } from "./testing/cluster-suite.ts";

for (const links of linkKinds) clusterSuite(links);
