import { formsOf } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import { clusterSuite } from "./testing/cluster-suite.ts";

for (const links of formsOf(linkKinds)) clusterSuite(links);
