import { formsOf } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import { failoverSuite } from "./testing/failover-suite.ts";

for (const links of formsOf(linkKinds)) failoverSuite(links);
