import { serverForms } from "./testing/server-forms.ts";
import { sessionsSuite } from "./testing/sessions-suite.ts";

for (const form of serverForms) sessionsSuite(form);
