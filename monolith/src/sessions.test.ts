import { cluster, monolith } from "./testing/server-forms.ts";
import { sessionsSuite } from "./testing/sessions-suite.ts";

for (const form of [monolith, cluster]) sessionsSuite(form);
