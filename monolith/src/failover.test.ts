import { linkKinds } from "@atlasnet/quic/testing";
import { failoverSuite } from "./testing/failover-suite.ts";

for (const links of linkKinds) failoverSuite(links);
