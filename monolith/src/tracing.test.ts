import { serverForms } from "./testing/server-forms.ts";
import { tracingSuite } from "./testing/tracing-suite.ts";

for (const form of serverForms) tracingSuite(form);
