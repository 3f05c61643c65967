import { badNetworkSuite } from "./testing/bad-network-suite.ts";
import { serverForms } from "./testing/server-forms.ts";

for (const form of serverForms) badNetworkSuite(form);
